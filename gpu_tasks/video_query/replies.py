"""What a language model replied, checked before it is believed: an answer and times of the film."""

import json
import math
from collections.abc import Iterator
from typing import Any

from gpu_tasks.errors import EngineError, ErrorCode
from gpu_tasks.video_query.contract import (
    MAX_ANSWER,
    MAX_DETAIL,
    MAX_EVIDENCE,
    Evidence,
    EvidenceKind,
)

KINDS = {"seen": EvidenceKind.PICTURE, "heard": EvidenceKind.SPEECH}
"""The words that the model is asked to use."""


def read(reply: str, duration_ms: int) -> tuple[str, tuple[Evidence, ...]]:
    """The answer and the evidence that lies in the film.

    A reply that is not of the form asked for is the answer as it stands, without evidence.
    Raises ``EngineError`` MODEL_ERROR where nothing was replied.
    """
    found = _object(reply)
    given = found.get("evidence")
    listed = given if isinstance(given, list) else []
    evidence = [one for one in (_evidence(each, duration_ms) for each in listed) if one]
    answer = _text(found.get("answer"), MAX_ANSWER) or _text(reply, MAX_ANSWER)
    if not answer:
        raise EngineError(ErrorCode.MODEL_ERROR)
    return answer, tuple(evidence[:MAX_EVIDENCE])


def _object(reply: str) -> dict[str, Any]:
    """The first JSON object of a reply that has an answer; it may stand among other text."""
    return next((one for one in _objects(reply) if "answer" in one), {})


def _objects(reply: str) -> Iterator[dict[str, Any]]:
    decoder = json.JSONDecoder()
    start = reply.find("{")
    while start >= 0:
        end = start + 1
        try:
            found, end = decoder.raw_decode(reply, start)
            if isinstance(found, dict):
                yield found
        except (ValueError, RecursionError):
            pass
        start = reply.find("{", end)


def _evidence(given: object, duration_ms: int) -> Evidence | None:
    """One piece of evidence, cut at the film's end; None for what says no time in the film."""
    if not isinstance(given, dict):
        return None
    start_ms, end_ms = _ms(given.get("start_s")), _ms(given.get("end_s", given.get("start_s")))
    if start_ms is None or end_ms is None or not 0 <= start_ms <= min(end_ms, duration_ms):
        return None
    return Evidence(
        start_ms=start_ms,
        end_ms=min(end_ms, duration_ms),
        kind=KINDS.get(str(given.get("kind")), EvidenceKind.PICTURE),
        detail=_text(given.get("detail"), MAX_DETAIL),
    )


def _ms(given: object) -> int | None:
    """Milliseconds from seconds, as a number or as text, `1:02.5` included."""
    if isinstance(given, bool) or not isinstance(given, int | float | str):
        return None
    try:
        seconds = 0.0
        for part in str(given).removesuffix("s").split(":"):
            seconds = seconds * 60 + float(part)
    except ValueError:
        return None
    return round(seconds * 1000) if math.isfinite(seconds) else None


def _text(given: object, longest: int) -> str:
    """Text without NUL, which no database takes, and no longer than allowed."""
    return given.replace("\x00", "").strip()[:longest] if isinstance(given, str) else ""
