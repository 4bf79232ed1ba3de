"""What Qwen3-VL is asked: stills with their times, what is said, and the question."""

from collections.abc import Callable, Sequence
from itertools import accumulate

from gpu_tasks.video_query.contract import Said
from gpu_tasks.video_query.sampling import Still

PICTURE = "<|image_pad|>"
"""The model's mark for a part of a picture; as many stand in a prompt as a picture has parts."""
MAX_PIECES = 8
"""Of evidence asked for: at about 60 tokens each, a quarter of the longest reply."""
INTRODUCTION = (
    "These are stills of a film that lasts {seconds:.1f} seconds, in order, each after its time."
)
SAID = "What is said:\n"
PARTLY_SAID = "What is said, with lines left out all along the film:\n"
INSTRUCTION = (
    "Answer the question about the film from what is seen and said, and from nothing else. If "
    "that does not tell, say so. Be short: a few sentences, and at most {pieces} pieces of "
    "evidence. Reply with one JSON object and nothing around it: "
    '{{"answer": "…", "evidence": [{{"start_s": 0.0, "end_s": 1.0, "kind": "seen" or "heard", '
    '"detail": "…"}}]}}. Evidence names the times, in seconds, that the answer rests on.\n'
    "Question: {question}"
)


def prompt(
    found: Sequence[Still], parts: Sequence[int], seconds: float, said: str, question: str
) -> str:
    """One turn of Qwen's conversation. ``parts``: of each still; ``said``: a `transcript`."""
    text = INTRODUCTION.format(seconds=seconds) + "\n"
    for still, count in zip(found, parts, strict=True):
        text += f"{_mark(still.seconds)}<|vision_start|>{PICTURE * count}<|vision_end|>"
    text += f"\n{said}" + INSTRUCTION.format(pieces=MAX_PIECES, question=_harmless(question))
    return f"<|im_start|>user\n{text}<|im_end|>\n<|im_start|>assistant\n"


def transcript(
    segments: Sequence[Said], room: int, count: Callable[[Sequence[str]], list[int]]
) -> str:
    """As many lines of what is said as there is room for, from all of the film; each has its time.

    ``room`` is in tokens, and ``count`` tells those of each of some texts. A line's end ends a
    token, so that lines take together what they take one by one.
    """
    if not segments:
        return ""
    lines = [f"{_mark(one.start_ms / 1000)} {_harmless(one.text)}\n" for one in segments]
    whole, partly, *costs = count([SAID, PARTLY_SAID, *lines])
    if whole + sum(costs) <= room:
        return SAID + "".join(lines)
    return PARTLY_SAID + "".join(_spread(lines, costs, room - partly))


def _spread(lines: Sequence[str], costs: Sequence[int], room: int) -> list[str]:
    """A line is kept where, up to half of it, no more than its share of the room is taken yet."""
    kept, taken, total = [], 0, sum(costs)
    for line, cost, passed in zip(lines, costs, accumulate(costs, initial=0), strict=False):
        if taken <= room * passed / total + cost / 2 and taken + cost <= room:
            kept.append(line)
            taken += cost
    return kept


def _mark(seconds: float) -> str:
    """A time in the form that Qwen3-VL learned to expect before each picture of a film."""
    return f"<{seconds:.1f} seconds>"


def _harmless(text: str) -> str:
    """Text that holds no marks of the model's own, whoever wrote it."""
    return text.replace("<|", "< |")
