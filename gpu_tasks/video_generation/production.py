"""The production engine: Wan 2.1 (14 B) through diffusers.

Wan Team, "Wan: Open and Advanced Large-Scale Video Generative Models",
https://arxiv.org/abs/2503.20314; guidance and flow shift for 480p are those of its model card.
"""

from collections.abc import Iterator
from typing import Any, Self

import torch
from diffusers import AutoencoderKLWan, UniPCMultistepScheduler, WanPipeline

from gpu_tasks.mediakit.film import Frame
from gpu_tasks.runtime import diffusion
from gpu_tasks.runtime.engine import Engine, Host, Workspace
from gpu_tasks.runtime.prompts import clean_prompt
from gpu_tasks.runtime.stages import Stage
from gpu_tasks.video_generation import film_output
from gpu_tasks.video_generation.contract import (
    CONTRACT,
    VideoGenerationPayload,
    VideoGenerationResult,
)

STEPS = 25
"""Five seconds have 32,760 tokens: a step is two passes of about 1.8 PFLOP, so 25 steps take some
ten minutes at half of an A100's speed; the 50 of the model card would exceed the time limit.
"""
GUIDANCE = 5.0
FLOW_SHIFT = 3.0
MAX_TOKENS = 512
NEGATIVE_PROMPT = (
    "still picture, frozen motion, flicker, garish colours, overexposed, blurred details, "
    "subtitles, watermark, signature, low quality, compression artefacts, deformed faces, "
    "extra fingers, fused limbs, cluttered background"
)
NEEDS_GIB = 60
"""14 B parameters of the transformer and 6 B of the text encoder at 2 bytes, and working memory."""
TEMPORAL_STEP = 4
"""Frames per latent, except for the first frame, which has its own."""
DENOISING_SHARE = 0.92
"""The share of the work for denoising; the rest is decoding the latents and writing."""


class ProductionEngine(Engine):
    """An engine that generates films by a diffusion transformer, all their frames at once."""

    model = CONTRACT.models["video"]

    def __init__(self, pipeline: Any) -> None:
        self._pipeline = pipeline

    @classmethod
    def load(cls, host: Host) -> Self:
        """Load the weights onto the device, or into main memory if they do not fit."""
        pipeline = diffusion.load(
            WanPipeline, host, cls.model, needs_gib=NEEDS_GIB, vae=AutoencoderKLWan
        )
        pipeline.scheduler = UniPCMultistepScheduler.from_config(
            pipeline.scheduler.config, flow_shift=FLOW_SHIFT
        )
        return cls(pipeline)

    @torch.inference_mode()
    def run(self, payload: VideoGenerationPayload, workspace: Workspace) -> VideoGenerationResult:
        """Write the film, cut to its length."""
        prompt = clean_prompt(payload.prompt)
        diffusion.check_length(self._pipeline.tokenizer, prompt, MAX_TOKENS)
        workspace.enter(Stage.GENERATING)
        workspace.progress(0.0)
        frames = self._generate_frames(prompt, payload, workspace)
        return film_output.write(
            payload, workspace, frames, share_before=DENOISING_SHARE, understood=[]
        )

    def _generate_frames(
        self, prompt: str, payload: VideoGenerationPayload, workspace: Workspace
    ) -> Iterator[Frame]:
        def report(steps: int) -> None:
            workspace.progress(DENOISING_SHARE * steps / STEPS)

        size = payload.resolution
        count = count_model_frames(film_output.count_frames(payload))
        with diffusion.free_gpu_memory(self._pipeline):
            output = self._pipeline(
                prompt=prompt,
                negative_prompt=NEGATIVE_PROMPT,
                width=size.width,
                height=size.height,
                num_frames=count,
                num_inference_steps=STEPS,
                guidance_scale=GUIDANCE,
                generator=diffusion.build_generator(payload.seed),
                callback_on_step_end=diffusion.build_step_callback(report),
                max_sequence_length=MAX_TOKENS,
                output_type="np",
            )
        return diffusion.convert_to_pictures(output.frames[0], (count, size.height, size.width, 3))


def count_model_frames(count: int) -> int:
    """Return the least number of frames that the model can make and that is sufficient."""
    return -(-(count - 1) // TEMPORAL_STEP) * TEMPORAL_STEP + 1
