"""The draft engine: composes ambience from the layers that the prompt's words name."""

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
from gpu_tasks.audio_generation.mastering import add_fades, master, set_loudness
from gpu_tasks.audio_generation.prompt import parse_layers
from gpu_tasks.audio_generation.synthesis import Random, build_slow_curve
from gpu_tasks.audio_generation.wav import Floats
from gpu_tasks.runtime.engine import Engine, Workspace
from gpu_tasks.runtime.stages import Stage

NEUTRAL = {"pad": 0.0}
"""The layers if nothing was understood."""
LAYER_LUFS = -20.0
FADE_SECONDS, FADE_SHARE = 0.5, 0.08
"""The length of fades, and their limit as a share of a short sound."""
SWAY_SECONDS, SWAY = 5.0, 0.25
"""The time in which a layer moves from one stereo position to the next, and the distance."""
LOWEST_ROOT_HZ = 110.0
COMPOSING_SHARE = 0.9


class DraftEngine(Engine):
    """An engine that composes by rules; the seed and the words determine everything random."""

    model = "procedural ambience"

    def run(self, payload: AudioGenerationPayload, workspace: Workspace) -> AudioGenerationResult:
        """Write the sound; the result names the layers that were understood."""
        workspace.enter(Stage.GENERATING)
        layers = parse_layers(payload.prompt)
        seeds = (payload.seed, zlib.crc32(payload.prompt.encode()))
        sound = _compose_layers(layers or NEUTRAL, seeds, payload.duration_sec, workspace)
        tick = workspace.progress_within(COMPOSING_SHARE, 1.0)
        wav.write(workspace.output("result"), master(sound), tick)
        return AudioGenerationResult(
            duration_ms=payload.duration_sec * 1000,
            sample_rate=RATE,
            channels=CHANNELS,
            seed=payload.seed,
            layers=tuple(layers),
        )


def _compose_layers(
    layers: dict[str, float], seeds: tuple[int, int], seconds: int, workspace: Workspace
) -> Floats:
    """Return the sum of all layers, each with its gain, faded, at no particular loudness."""
    semitone = np.random.default_rng(seeds).integers(12)
    root_hz = LOWEST_ROOT_HZ * 2 ** (semitone / 12)
    sound = np.zeros((CHANNELS, seconds * RATE))
    for number, (name, gain_db) in enumerate(layers.items()):
        workspace.progress(COMPOSING_SHARE * number / len(layers))
        rng = np.random.default_rng([*seeds, zlib.crc32(name.encode())])
        layer = np.sum([part.play(rng, seconds, root_hz) for part in LAYERS[name]], axis=0)
        sound += _sway_sound(set_loudness(layer, LAYER_LUFS + gain_db), rng)
    workspace.progress(COMPOSING_SHARE)
    return add_fades(sound, min(FADE_SECONDS, FADE_SHARE * seconds))


def _sway_sound(sound: Floats, rng: Random) -> Floats:
    balance = build_slow_curve(rng, sound.shape[1], SWAY_SECONDS, -SWAY, SWAY)
    return sound * np.stack([1 - balance, 1 + balance])
