"""The production engine: Stable Audio Open through diffusers.

Evans et al., "Stable Audio Open", https://arxiv.org/abs/2407.14358; steps, guidance and the
negative prompt are those of its authors' tools and model card.
"""

from typing import Any, Self

import numpy as np
import torch
from diffusers import StableAudioPipeline

from gpu_tasks.audio_generation import wav
from gpu_tasks.audio_generation.contract import (
    CHANNELS,
    CONTRACT,
    RATE,
    AudioGenerationPayload,
    AudioGenerationResult,
)
from gpu_tasks.audio_generation.mastering import add_fades, master
from gpu_tasks.audio_generation.wav import Floats
from gpu_tasks.runtime import diffusion
from gpu_tasks.runtime.engine import Engine, Host, Workspace
from gpu_tasks.runtime.stages import Stage

STEPS = 100
GUIDANCE = 7.0
NEGATIVE_PROMPT = "Low quality."
DENOISING_SHARE = 0.9
"""The share of the work for denoising; the rest is decoding the latents and writing."""
FADE_SECONDS = 0.01
"""Avoids a click where the sound is cut to its length."""


class ProductionEngine(Engine):
    """An engine that generates sounds, effects and music by latent diffusion."""

    model = CONTRACT.models["audio"]

    def __init__(self, pipeline: Any) -> None:
        model_format = (pipeline.vae.config.sampling_rate, pipeline.vae.config.audio_channels)
        if model_format != (RATE, CHANNELS):
            raise ValueError(
                f"the model makes {model_format[0]} Hz with {model_format[1]} channels"
            )
        self._pipeline = pipeline

    @classmethod
    def load(cls, host: Host) -> Self:
        """Load the weights onto the device."""
        return cls(diffusion.load(StableAudioPipeline, host, cls.model))

    def run(self, payload: AudioGenerationPayload, workspace: Workspace) -> AudioGenerationResult:
        """Write the sound, cut to its length and at the target loudness."""
        # The text encoder would silently truncate a longer prompt.
        tokenizer = self._pipeline.tokenizer
        diffusion.check_length(tokenizer, payload.prompt, tokenizer.model_max_length)
        workspace.enter(Stage.GENERATING)
        workspace.progress(0.0)
        samples = payload.duration_sec * RATE
        sound = self._generate_sound(payload, samples, workspace)
        wav.write(
            workspace.output("result"),
            master(add_fades(sound, FADE_SECONDS)),
            workspace.progress_within(DENOISING_SHARE, 1.0),
        )
        return AudioGenerationResult(
            duration_ms=payload.duration_sec * 1000,
            sample_rate=RATE,
            channels=CHANNELS,
            seed=payload.seed,
        )

    @torch.inference_mode()
    def _generate_sound(
        self, payload: AudioGenerationPayload, samples: int, workspace: Workspace
    ) -> Floats:
        """Return two rows of so many samples."""

        def report(step: int, _timestep: Any, _latents: Any) -> None:
            workspace.progress(DENOISING_SHARE * (step + 1) / STEPS)

        output = self._pipeline(
            payload.prompt,
            negative_prompt=NEGATIVE_PROMPT,
            # The pipeline rounds down to a whole sample: half a sample more makes the count exact.
            audio_end_in_s=(samples + 0.5) / RATE,
            num_inference_steps=STEPS,
            guidance_scale=GUIDANCE,
            generator=diffusion.build_generator(payload.seed),
            callback=report,
            output_type="np",
        )
        sound = np.asarray(output.audios[0], np.float64)
        diffusion.check_values(sound, (CHANNELS, samples))
        return sound
