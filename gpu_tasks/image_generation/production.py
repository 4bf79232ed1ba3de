"""The production engine: Z-Image-Turbo through diffusers.

Cai et al., "Z-Image", https://arxiv.org/abs/2511.22699; steps and guidance are those of its model
card.
"""

from typing import Any, Self

import torch
from diffusers import AutoencoderKL, ZImagePipeline

from gpu_tasks.image_generation import png
from gpu_tasks.image_generation.contract import (
    CONTRACT,
    ImageGenerationPayload,
    ImageGenerationResult,
)
from gpu_tasks.mediakit.film import Frame
from gpu_tasks.runtime import diffusion
from gpu_tasks.runtime.engine import Engine, Host, Workspace
from gpu_tasks.runtime.prompts import clean_prompt
from gpu_tasks.runtime.stages import Stage

STEPS = 8
"""The noise levels for which the model was distilled; diffusers before 0.39 counted one more."""
GUIDANCE = 0.0
"""The distilled model needs no guidance."""
MAX_TOKENS = 512
TEMPLATE_TOKENS = 16
"""Reserved for the chat template that the pipeline puts around a prompt."""
NEEDS_GIB = 30
"""6 B parameters of the transformer and 4 B of the text encoder at 2 bytes, and working memory."""
DENOISING_SHARE = 0.95
"""The share of a picture's work for denoising; the rest is decoding the latents and writing."""


class ProductionEngine(Engine):
    """An engine that generates pictures by a distilled diffusion transformer, one by one."""

    model = CONTRACT.models["image"]

    def __init__(self, pipeline: Any) -> None:
        self._pipeline = pipeline

    @classmethod
    def load(cls, host: Host) -> Self:
        """Load the weights onto the device, or into main memory if they do not fit."""
        pipeline = diffusion.load(
            ZImagePipeline, host, cls.model, needs_gib=NEEDS_GIB, vae=AutoencoderKL
        )
        # Without tiling, decoding a large picture takes more memory than denoising it.
        pipeline.vae.enable_tiling()
        return cls(pipeline)

    @torch.inference_mode()
    def run(self, payload: ImageGenerationPayload, workspace: Workspace) -> ImageGenerationResult:
        """Write the pictures; the prompt is encoded once for all."""
        prompt = clean_prompt(payload.prompt)
        diffusion.check_length(self._pipeline.tokenizer, prompt, MAX_TOKENS - TEMPLATE_TOKENS)
        workspace.enter(Stage.GENERATING)
        workspace.progress(0.0)
        with diffusion.free_gpu_memory(self._pipeline):
            prompt_embeds, _ = self._pipeline.encode_prompt(
                prompt, do_classifier_free_guidance=False
            )
            self._generate_pictures(payload, prompt_embeds, workspace)
        return ImageGenerationResult(
            width=payload.width, height=payload.height, seeds=payload.seeds
        )

    def _generate_pictures(
        self, payload: ImageGenerationPayload, prompt_embeds: Any, workspace: Workspace
    ) -> None:
        count = len(payload.results)
        for index, seed in enumerate(payload.seeds):

            def report(steps: int, index: int = index) -> None:
                workspace.progress((index + DENOISING_SHARE * steps / STEPS) / count)

            picture = self._generate_picture(payload, prompt_embeds, seed, report)
            png.write(workspace.output("results", index), picture)
            workspace.progress((index + 1) / count)

    def _generate_picture(
        self, payload: ImageGenerationPayload, prompt_embeds: Any, seed: int, report: Any
    ) -> Frame:
        output = self._pipeline(
            prompt_embeds=prompt_embeds,
            width=payload.width,
            height=payload.height,
            num_inference_steps=STEPS,
            guidance_scale=GUIDANCE,
            generator=diffusion.build_generator(seed),
            callback_on_step_end=diffusion.build_step_callback(report),
            output_type="np",
        )
        [picture] = diffusion.convert_to_pictures(
            output.images, (1, payload.height, payload.width, 3)
        )
        return picture
