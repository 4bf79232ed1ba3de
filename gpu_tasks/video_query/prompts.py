"""Build the prompt for Qwen3-VL: stills with their times, the transcript and the question."""

from collections.abc import Callable, Sequence
from itertools import accumulate

from gpu_tasks.video_query.contract import SpokenSegment
from gpu_tasks.video_query.sampling import Still

PICTURE = "<|image_pad|>"
"""The model's placeholder for a part of a picture; a prompt has one for each part."""
MAX_PIECES = 8
"""The limit of evidence requested: at about 60 tokens each, a quarter of the longest reply."""
INTRODUCTION = (
    "These are stills of a film that lasts {seconds:.1f} seconds, in order, each after its time."
)
TRANSCRIPT = "What is said:\n"
PARTIAL_TRANSCRIPT = "What is said, with lines left out all along the film:\n"
INSTRUCTION = (
    "Answer the question about the film from what is seen and said, and from nothing else. If "
    "that does not tell, say so. Be short: a few sentences, and at most {pieces} pieces of "
    "evidence. Reply with one JSON object and nothing around it: "
    '{{"answer": "…", "evidence": [{{"start_s": 0.0, "end_s": 1.0, "kind": "seen" or "heard", '
    '"detail": "…"}}]}}. Evidence names the times, in seconds, that the answer rests on.\n'
    "Question: {question}"
)


def build_prompt(
    stills: Sequence[Still], parts: Sequence[int], seconds: float, transcript: str, question: str
) -> str:
    """Return one turn of Qwen's conversation.

    ``parts`` are the placeholders of each still; ``said`` is a `format_transcript`.
    """
    text = INTRODUCTION.format(seconds=seconds) + "\n"
    for still, count in zip(stills, parts, strict=True):
        text += f"{_format_time(still.seconds)}<|vision_start|>{PICTURE * count}<|vision_end|>"
    text += f"\n{transcript}" + INSTRUCTION.format(
        pieces=MAX_PIECES, question=_escape_marks(question)
    )
    return f"<|im_start|>user\n{text}<|im_end|>\n<|im_start|>assistant\n"


def format_transcript(
    segments: Sequence[SpokenSegment], room: int, count: Callable[[Sequence[str]], list[int]]
) -> str:
    """Return as many lines of the transcript as fit, from all of the film, each with its time.

    ``room`` is in tokens, and ``count`` returns the tokens of each text. The end of a line ends a
    token, so the costs of lines add up.
    """
    if not segments:
        return ""
    lines = [
        f"{_format_time(segment.start_ms / 1000)} {_escape_marks(segment.text)}\n"
        for segment in segments
    ]
    full_heading, partial_heading, *costs = count([TRANSCRIPT, PARTIAL_TRANSCRIPT, *lines])
    if full_heading + sum(costs) <= room:
        return TRANSCRIPT + "".join(lines)
    return PARTIAL_TRANSCRIPT + "".join(_select_lines(lines, costs, room - partial_heading))


def _select_lines(lines: Sequence[str], costs: Sequence[int], limit: int) -> list[str]:
    """Select lines evenly over the film within the limit.

    A line is selected if the tokens used before it exceed its proportional share by at most half
    its own.
    """
    selected_lines, used_tokens, total = [], 0, sum(costs)
    for line, cost, offset in zip(lines, costs, accumulate(costs, initial=0), strict=False):
        if used_tokens <= limit * offset / total + cost / 2 and used_tokens + cost <= limit:
            selected_lines.append(line)
            used_tokens += cost
    return selected_lines


def _format_time(seconds: float) -> str:
    """Return a time in the form that Qwen3-VL was trained on before each picture of a film."""
    return f"<{seconds:.1f} seconds>"


def _escape_marks(text: str) -> str:
    """Break the model's special tokens in a text, whoever wrote it."""
    return text.replace("<|", "< |")
