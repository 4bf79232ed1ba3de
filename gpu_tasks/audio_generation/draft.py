"""The draft engine: ambience composed of layers that the prompt's words call for."""

import zlib

import numpy as np

from gpu_tasks.audio_generation import wav
from gpu_tasks.audio_generation.contract import (
    CHANNELS,
    RATE,
    AudioGenerationPayload,
    AudioGenerationResult,
)
from gpu_tasks.audio_generation.layers import LAYERS
from gpu_tasks.audio_generation.mastering import at_loudness, faded, mastered
from gpu_tasks.audio_generation.prompt import Part, Scene, understood
from gpu_tasks.audio_generation.synthesis import Floats, Random, Score, slow
from gpu_tasks.runtime.engine import Engine, Workspace

NEUTRAL = Part("pad")
"""What is played where nothing was understood."""
LAYER_LUFS = -20.0
FADE_SECONDS, FADE_SHARE = 0.5, 0.08
"""Fades are so long, or this share of a short sound."""
SWAY_SECONDS, SWAY = 5.0, 0.25
"""Every layer moves a little from side to side, to another place in about so long."""
LOWEST_ROOT_HZ = 110.0
COMPOSED_SHARE = 0.9


class DraftEngine(Engine):
    """Composes by rule; the seed and the words decide about everything random."""

    model = "procedural ambience"

    def run(self, payload: AudioGenerationPayload, workspace: Workspace) -> AudioGenerationResult:
        """Write the sound; the result names the layers that were understood."""
        scene = understood(payload.prompt)
        samples = payload.duration_sec * RATE
        sound = _composed(
            scene, (payload.seed, zlib.crc32(payload.prompt.encode())), samples, workspace
        )

        def written(share: float) -> None:
            workspace.progress(COMPOSED_SHARE + (1 - COMPOSED_SHARE) * share)

        wav.write(workspace.output("result"), mastered(sound), written)
        return AudioGenerationResult(
            duration_ms=payload.duration_sec * 1000,
            sample_rate=RATE,
            channels=CHANNELS,
            seed=payload.seed,
            layers=tuple(part.layer for part in scene.parts),
        )


def _composed(scene: Scene, seeds: tuple[int, int], samples: int, workspace: Workspace) -> Floats:
    """All layers together, faded, at no particular loudness."""
    semitone = np.random.default_rng(seeds).integers(12)
    root_hz = LOWEST_ROOT_HZ * 2 ** (semitone / 12)
    score = Score(samples=samples, tempo=scene.tempo, minor=scene.minor, root_hz=root_hz)
    parts = scene.parts or (NEUTRAL,)
    sound = np.zeros((CHANNELS, samples))
    for number, part in enumerate(parts):
        workspace.progress(COMPOSED_SHARE * number / len(parts))
        rng = np.random.default_rng([*seeds, zlib.crc32(part.layer.encode())])
        layer = at_loudness(LAYERS[part.layer](rng, score), LAYER_LUFS + part.gain_db)
        sound += _swaying(layer, rng)
    workspace.progress(COMPOSED_SHARE)
    return faded(sound, min(FADE_SECONDS, FADE_SHARE * score.seconds))


def _swaying(sound: Floats, rng: Random) -> Floats:
    balance = slow(rng, sound.shape[1], SWAY_SECONDS, -SWAY, SWAY)
    return sound * np.stack([1 - balance, 1 + balance])
