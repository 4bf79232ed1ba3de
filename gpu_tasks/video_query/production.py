"""The production engine: Qwen3-VL sees stills of the film and its transcript."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

import torch
from transformers import (
    AutoImageProcessor,
    AutoModelForImageTextToText,
    AutoTokenizer,
    LogitsProcessorList,
    RepetitionPenaltyLogitsProcessor,
)

from gpu_tasks.mediakit import film
from gpu_tasks.runtime.engine import Engine, Host, Workspace
from gpu_tasks.runtime.generation import build_stopping_criteria
from gpu_tasks.runtime.stages import Stage
from gpu_tasks.video_query import replies
from gpu_tasks.video_query.contract import (
    CONTRACT,
    SpokenSegment,
    VideoQueryPayload,
    VideoQueryResult,
)
from gpu_tasks.video_query.prompts import build_prompt, format_transcript
from gpu_tasks.video_query.sampling import Still, read_stills

MAX_SIDE = 512
"""In pixels of a still: at most 256 tokens each, so that all stills are at most 12,288."""
MAX_PROMPT_TOKENS = 18_000
"""For stills, transcript and question. An A10G has memory for some 22,000 tokens.

Of its 22.1 GiB the weights take 16.3, and each token 147 kB of keys and values (36 layers of twice
8 heads of 128 numbers of 2 bytes): 18,000 and a reply take 2.8 GiB, and 3 remain for activations.
"""
MAX_NEW_TOKENS = 2048
"""Of a reply: at some 30 per second on an A10G, about 70 of the 300 seconds."""
REPETITION_PENALTY = 1.05
"""Keeps greedy decoding from repeating itself endlessly.

Qwen recommends 1.0 with a presence penalty of 1.5 and sampling at a temperature of 0.7, where
chance ends repetitions. Here the same call gives the same answer, and transformers has no presence
penalty; like that one, this penalty counts only the reply, so that question and transcript can be
quoted.
"""
LOOKING_SHARE = 0.3
"""The share of the work that sampling stills takes."""


class ProductionEngine(Engine):
    """An engine that answers one call at a time; the same call gives the same answer."""

    model = CONTRACT.models["vlm"]

    def __init__(self, host: Host) -> None:
        folder = host.weights(self.model)
        self._device = host.device
        self._tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        # The model's own processor needs torchvision for films; stills do not.
        self._pictures = AutoImageProcessor.from_pretrained(
            folder, backend="pil", local_files_only=True
        )
        self._model = AutoModelForImageTextToText.from_pretrained(
            folder,
            dtype=getattr(torch, host.dtype),
            device_map={"": host.device},
            use_safetensors=True,
            local_files_only=True,
        ).eval()

    @classmethod
    def load(cls, host: Host) -> Self:
        """Load the model onto the device."""
        return cls(host)

    def run(self, payload: VideoQueryPayload, workspace: Workspace) -> VideoQueryResult:
        """Answer the question; decoding is greedy, so ``seed`` has no effect."""
        workspace.enter(Stage.READING)
        source = film.probe(workspace.input("video"), max_side=MAX_SIDE)
        samples = read_stills(source, workspace.progress_within(0.0, LOOKING_SHARE))
        seconds = source.duration_seconds or len(samples)
        inputs = self._build_inputs(samples, seconds, payload.segments or (), payload.question)
        workspace.enter(Stage.GENERATING)
        reply = self._generate_reply(inputs, workspace.progress_within(LOOKING_SHARE, 1.0))
        answer, evidence = replies.parse_reply(reply, round(seconds * 1000))
        workspace.progress(1.0)
        return VideoQueryResult(
            answer=answer,
            evidence=evidence,
            duration_ms=round(seconds * 1000),
            frames_sampled=len(samples),
        )

    @torch.inference_mode()
    def _generate_reply(self, inputs: Mapping[str, Any], tick: Callable[[float], None]) -> str:
        prompt_length = inputs["input_ids"].shape[1]
        output = self._model.generate(
            **inputs,
            max_new_tokens=MAX_NEW_TOKENS,
            do_sample=False,
            temperature=None,
            top_p=None,
            top_k=None,
            logits_processor=LogitsProcessorList(
                [
                    RepetitionPenaltyLogitsProcessor(
                        REPETITION_PENALTY, prompt_ignore_length=prompt_length
                    )
                ]
            ),
            stopping_criteria=build_stopping_criteria(
                lambda count: tick(min(1.0, (count - prompt_length) / MAX_NEW_TOKENS))
            ),
        )
        reply: str = self._tokenizer.decode(output[0, prompt_length:], skip_special_tokens=True)
        return reply

    def _build_inputs(
        self,
        samples: Sequence[Still],
        seconds: float,
        segments: Sequence[SpokenSegment],
        question: str,
    ) -> dict[str, Any]:
        """Return the prompt's tokens and pictures; the transcript gets the tokens that remain."""
        pictures = self._pictures(images=[still.frame for still in samples], return_tensors="pt")
        merge_area = self._pictures.merge_size**2
        parts = [int(grid.prod()) // merge_area for grid in pictures["image_grid_thw"]]
        [used_tokens] = self._count_tokens([build_prompt(samples, parts, seconds, "", question)])
        lines = format_transcript(segments, MAX_PROMPT_TOKENS - used_tokens, self._count_tokens)
        tokens = self._tokenizer(
            build_prompt(samples, parts, seconds, lines, question), return_tensors="pt"
        )
        ids = tokens["input_ids"]
        inputs = {
            "input_ids": ids,
            "attention_mask": tokens["attention_mask"],
            "mm_token_type_ids": (ids == self._model.config.image_token_id).int(),
            "pixel_values": pictures["pixel_values"].to(self._model.dtype),
            "image_grid_thw": pictures["image_grid_thw"],
        }
        return {name: value.to(self._device) for name, value in inputs.items()}

    def _count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Return the number of tokens of each text."""
        return [len(ids) for ids in self._tokenizer(list(texts))["input_ids"]]
