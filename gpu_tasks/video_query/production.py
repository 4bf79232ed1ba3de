"""The production engine: Qwen3-VL looks at stills of the film and reads its transcript."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoImageProcessor,
    AutoModelForImageTextToText,
    AutoTokenizer,
    LogitsProcessorList,
    RepetitionPenaltyLogitsProcessor,
    StoppingCriteria,
    StoppingCriteriaList,
)

from gpu_tasks import film, weights
from gpu_tasks.contract import EngineInfo
from gpu_tasks.engine import Workspace
from gpu_tasks.film import Frame
from gpu_tasks.video_query import replies
from gpu_tasks.video_query.contract import (
    MODELS,
    Said,
    VideoQueryPayload,
    VideoQueryResult,
)
from gpu_tasks.video_query.sampling import Still, stills

MAX_SIDE = 512
"""Of a still: at most 256 tokens, so that all stills are about 12,000."""
MAX_TRANSCRIPT = 24_000
"""Characters; what is said after them is left out."""
MAX_NEW_TOKENS = 2048
"""Of a reply: at some 30 a second on an A10G about 70 of the 300 seconds."""
MAX_PIECES = 8
"""Of evidence asked for: at about 60 tokens each, a quarter of the longest reply."""
REPETITION_PENALTY = 1.05
"""What greedy choice needs so that it does not go round in circles.

Qwen names 1.0, with a presence penalty of 1.5 and sampling at a temperature of 0.7: there chance
leads out of a circle. Here the same call gives the same answer, and transformers has no presence
penalty; like that one, this counts the reply alone, so that what is asked and said can be quoted.
"""
PICTURE = "<|image_pad|>"
LOOKING_SHARE = 0.3
"""How much of the work is taking stills."""
INTRODUCTION = (
    "These are stills of a film that lasts {seconds:.1f} seconds, in order, each after its time."
)
INSTRUCTION = (
    "Answer the question about the film from what is seen and said, and from nothing else. If "
    "that does not tell, say so. Be short: a few sentences, and at most {pieces} pieces of "
    "evidence. Reply with one JSON object and nothing around it: "
    '{{"answer": "…", "evidence": [{{"start_s": 0.0, "end_s": 1.0, "kind": "seen" or "heard", '
    '"detail": "…"}}]}}. Evidence names the times, in seconds, that the answer rests on.\n'
    "Question: {question}"
)


def load(model_dir: Path | None, device: str, dtype: str) -> "ProductionEngine":
    """The engine, with its model on the device."""
    if model_dir is None:
        raise ValueError("the production engine needs its weights")
    return ProductionEngine(weights.folder(model_dir, MODELS["vlm"]), device, dtype)


class ProductionEngine:
    """Answers questions, one call at a time; the same call gives the same answer."""

    def __init__(self, folder: Path, device: str, dtype: str) -> None:
        self.info = EngineInfo(name="production", model=MODELS["vlm"])
        self._device = device
        self._tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        # The model's own processor wants torchvision, for films; stills need none of that.
        self._pictures = AutoImageProcessor.from_pretrained(
            folder, backend="pil", local_files_only=True
        )
        self._model = AutoModelForImageTextToText.from_pretrained(
            folder,
            dtype=getattr(torch, dtype),
            device_map={"": device},
            use_safetensors=True,
            local_files_only=True,
        ).eval()

    def run(self, payload: VideoQueryPayload, workspace: Workspace) -> VideoQueryResult:
        """The answer; generation is greedy, so ``seed`` changes nothing."""
        source = film.look(workspace.input("video"), max_side=MAX_SIDE)
        found = stills(source, lambda share: workspace.progress(share * LOOKING_SHARE))
        seconds = source.duration_seconds or len(found)
        asked = prompt(found, seconds, payload.segments or (), payload.question)

        def tick(share: float) -> None:
            workspace.progress(LOOKING_SHARE + share * (1 - LOOKING_SHARE))

        answer, evidence = replies.read(self._reply(asked, found, tick), round(seconds * 1000))
        workspace.progress(1.0)
        return VideoQueryResult(
            answer=answer,
            evidence=evidence,
            duration_ms=round(seconds * 1000),
            frames_sampled=len(found),
        )

    @torch.inference_mode()
    def _reply(self, asked: str, found: Sequence[Still], tick: Callable[[float], None]) -> str:
        inputs = self._inputs(asked, [still.frame for still in found])
        given = inputs["input_ids"].shape[1]
        output = self._model.generate(
            **inputs,
            max_new_tokens=MAX_NEW_TOKENS,
            do_sample=False,
            temperature=None,
            top_p=None,
            top_k=None,
            logits_processor=LogitsProcessorList(
                [RepetitionPenaltyLogitsProcessor(REPETITION_PENALTY, prompt_ignore_length=given)]
            ),
            stopping_criteria=StoppingCriteriaList([_Watch(given, tick)]),
        )
        reply: str = self._tokenizer.decode(output[0, given:], skip_special_tokens=True)
        return reply

    def _inputs(self, asked: str, frames: Sequence[Frame]) -> dict[str, Any]:
        """The prompt's tokens, with as many in the place of each picture as it has patches."""
        pictures = self._pictures(images=list(frames), return_tensors="pt")
        merged = self._pictures.merge_size**2
        first, *others = asked.split(PICTURE)
        for grid, text in zip(pictures["image_grid_thw"], others, strict=True):
            first += PICTURE * (int(grid.prod()) // merged) + text
        tokens = self._tokenizer(first, return_tensors="pt")
        ids = tokens["input_ids"]
        inputs = {
            "input_ids": ids,
            "attention_mask": tokens["attention_mask"],
            "mm_token_type_ids": (ids == self._model.config.image_token_id).int(),
            "pixel_values": pictures["pixel_values"].to(self._model.dtype),
            "image_grid_thw": pictures["image_grid_thw"],
        }
        return {name: value.to(self._device) for name, value in inputs.items()}


def prompt(found: Sequence[Still], seconds: float, segments: Sequence[Said], question: str) -> str:
    """One turn of Qwen's conversation: stills with their times, the transcript, the question."""
    text = INTRODUCTION.format(seconds=seconds) + "\n"
    for still in found:
        text += f"{_mark(still.seconds)}<|vision_start|>{PICTURE}<|vision_end|>"
    if segments:
        lines = [f"{_mark(one.start_ms / 1000)} {one.text}" for one in segments]
        text += "\nWhat is said:\n" + _harmless("\n".join(lines)[:MAX_TRANSCRIPT])
    text += "\n" + INSTRUCTION.format(pieces=MAX_PIECES, question=_harmless(question))
    return f"<|im_start|>user\n{text}<|im_end|>\n<|im_start|>assistant\n"


def _mark(seconds: float) -> str:
    """A time in the form that Qwen3-VL learned to expect before each picture of a film."""
    return f"<{seconds:.1f} seconds>"


def _harmless(text: str) -> str:
    """Text that holds no marks of the model's own, whoever wrote it."""
    return text.replace("<|", "< |")


class _Watch(StoppingCriteria):
    """Tells the share of the longest reply at every token, and stops nothing by itself."""

    def __init__(self, given: int, tick: Callable[[float], None]) -> None:
        self._given = given
        self._tick = tick

    def __call__(self, input_ids: Any, scores: Any, **kwargs: Any) -> Any:
        self._tick(min(1.0, (input_ids.shape[1] - self._given) / MAX_NEW_TOKENS))
        return torch.zeros(input_ids.shape[0], dtype=torch.bool, device=input_ids.device)
