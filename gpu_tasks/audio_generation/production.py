"""The production engine: Stable Audio Open through diffusers.

Evans et al., "Stable Audio Open", https://arxiv.org/abs/2407.14358; steps, guidance and the
negative prompt are those of its authors' tools and model card.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import StableAudioPipeline

from gpu_tasks.audio_generation import wav
from gpu_tasks.audio_generation.contract import (
    CHANNELS,
    MODELS,
    RATE,
    AudioGenerationPayload,
    AudioGenerationResult,
)
from gpu_tasks.audio_generation.mastering import faded, mastered
from gpu_tasks.audio_generation.synthesis import Floats
from gpu_tasks.runtime import diffusion, weights
from gpu_tasks.runtime.contract import EngineInfo
from gpu_tasks.runtime.engine import Workspace
from gpu_tasks.runtime.errors import EngineError, ErrorCode

STEPS = 100
GUIDANCE = 7.0
NEGATIVE_PROMPT = "Low quality."
DENOISED_SHARE = 0.9
"""Of the work; the rest is decoding the latents and writing."""
FADE_SECONDS = 0.01
"""Against a click where the sound is cut to its length."""


def load(model_dir: Path | None, device: str, dtype: str) -> "ProductionEngine":
    """The engine with its weights on ``device``."""
    if model_dir is None:
        raise ValueError("the production engine needs a folder of weights")
    pipeline = StableAudioPipeline.from_pretrained(
        str(weights.folder(model_dir, MODELS["audio"])),
        dtype=getattr(torch, dtype),
        local_files_only=True,
    ).to(device)
    pipeline.set_progress_bar_config(disable=True)
    return ProductionEngine(pipeline)


class ProductionEngine:
    """Generates sounds, effects and music by latent diffusion."""

    def __init__(self, pipeline: Any) -> None:
        made = (pipeline.vae.config.sampling_rate, pipeline.vae.config.audio_channels)
        if made != (RATE, CHANNELS):
            raise ValueError(f"the model makes {made[0]} Hz with {made[1]} channels")
        self.info = EngineInfo(name="production", model=MODELS["audio"])
        self._pipeline = pipeline

    def run(self, payload: AudioGenerationPayload, workspace: Workspace) -> AudioGenerationResult:
        """Write the sound, cut to its length and brought to the usual loudness."""
        # The text encoder would silently drop what is too long for it.
        tokenizer = self._pipeline.tokenizer
        diffusion.check_length(tokenizer, payload.prompt, tokenizer.model_max_length)
        workspace.progress(0.0)
        samples = payload.duration_sec * RATE
        sound = self._generated(payload, samples, workspace)

        def written(share: float) -> None:
            workspace.progress(DENOISED_SHARE + (1 - DENOISED_SHARE) * share)

        wav.write(workspace.output("result"), mastered(faded(sound, FADE_SECONDS)), written)
        return AudioGenerationResult(
            duration_ms=payload.duration_sec * 1000,
            sample_rate=RATE,
            channels=CHANNELS,
            seed=payload.seed,
        )

    @torch.inference_mode()
    def _generated(
        self, payload: AudioGenerationPayload, samples: int, workspace: Workspace
    ) -> Floats:
        """So many samples in two rows."""

        def denoised(step: int, _timestep: Any, _latents: Any) -> None:
            workspace.progress(DENOISED_SHARE * (step + 1) / STEPS)

        output = self._pipeline(
            payload.prompt,
            negative_prompt=NEGATIVE_PROMPT,
            # The pipeline cuts at the sample before: half of one more is this one exactly.
            audio_end_in_s=(samples + 0.5) / RATE,
            num_inference_steps=STEPS,
            guidance_scale=GUIDANCE,
            generator=diffusion.generator(payload.seed),
            callback=denoised,
            output_type="np",
        )
        return _checked(output.audios[0], samples)


def _checked(audio: Any, samples: int) -> Floats:
    """What the model made, if it is sound: half precision can overflow."""
    sound = np.asarray(audio, np.float64)
    if sound.shape != (CHANNELS, samples) or not np.isfinite(sound).all():
        raise EngineError(ErrorCode.MODEL_ERROR)
    return sound
