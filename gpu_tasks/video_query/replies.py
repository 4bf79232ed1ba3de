"""Parse and check a language model's reply: an answer and times of the film."""

import json
import math
import re
from collections.abc import Iterator
from typing import Any

from pydantic_core import from_json

from gpu_tasks.runtime.errors import EngineError, ErrorCode
from gpu_tasks.video_query.contract import (
    MAX_ANSWER,
    MAX_DETAIL,
    MAX_EVIDENCE,
    Evidence,
    EvidenceKind,
)

KINDS = {"seen": EvidenceKind.PICTURE, "heard": EvidenceKind.SPEECH}
"""The words that the prompt requests."""
CUT = "…"
"""Ends a text that was cut."""
_CONTROL = re.compile(r"[\x00-\x1f]+")


def parse_reply(reply: str, duration_ms: int) -> tuple[str, tuple[Evidence, ...]]:
    """Return the answer and the evidence within the film.

    Of a truncated reply, this is the answer so far and the complete evidence. A reply in another
    form than requested is the answer as it is, without evidence. Raise ``EngineError`` MODEL_ERROR
    if the reply is empty.
    """
    plain = _CONTROL.sub(" ", reply)  # JSON strings contain no bare line breaks
    reply_object = next(
        (candidate for candidate in _list_objects(plain) if "answer" in candidate), None
    ) or _parse_truncated(plain)
    evidence_value = reply_object.get("evidence")
    items = evidence_value if isinstance(evidence_value, list) else []
    evidence = [item for item in (_parse_evidence(item, duration_ms) for item in items) if item]
    answer_value = reply_object.get("answer")
    answer = _clean_text(answer_value if isinstance(answer_value, str) else reply, MAX_ANSWER)
    if not answer:
        raise EngineError(ErrorCode.MODEL_ERROR)
    return answer, tuple(evidence[:MAX_EVIDENCE])


def _parse_truncated(reply: str) -> dict[str, Any]:
    """Return the answer of an object that ends too early, and the complete objects in it."""
    for start in (match.start() for match in re.finditer("{", reply)):
        try:
            partial = from_json(reply[start:], allow_partial="trailing-strings")
            complete = from_json(reply[start:], allow_partial=True)  # drops an unfinished text
        except ValueError:
            continue
        answer = partial.get("answer")
        if isinstance(answer, str):
            if answer.strip() and "answer" not in complete:
                answer = answer.rstrip() + CUT
            return {"answer": answer, "evidence": list(_list_objects(reply[start:]))}
    return {}


def _list_objects(reply: str) -> Iterator[dict[str, Any]]:
    decoder = json.JSONDecoder()
    start = reply.find("{")
    while start >= 0:
        end = start + 1
        try:
            value, end = decoder.raw_decode(reply, start)
            if isinstance(value, dict):
                yield value
        except (ValueError, RecursionError):
            pass
        start = reply.find("{", end)


def _parse_evidence(item: object, duration_ms: int) -> Evidence | None:
    """Return one piece of evidence, cut at the film's end; None if it has no time in the film."""
    if not isinstance(item, dict):
        return None
    start_ms, end_ms = (
        _parse_ms(item.get("start_s")),
        _parse_ms(item.get("end_s", item.get("start_s"))),
    )
    if start_ms is None or end_ms is None or not 0 <= start_ms <= min(end_ms, duration_ms):
        return None
    return Evidence(
        start_ms=start_ms,
        end_ms=min(end_ms, duration_ms),
        kind=KINDS.get(str(item.get("kind")), EvidenceKind.PICTURE),
        detail=_clean_text(item.get("detail"), MAX_DETAIL),
    )


def _parse_ms(value: object) -> int | None:
    """Return milliseconds from seconds, given as a number or as text such as `1:02.5`."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        seconds = 0.0
        for part in str(value).removesuffix("s").split(":"):
            seconds = seconds * 60 + float(part)
    except ValueError:
        return None
    return round(seconds * 1000) if math.isfinite(seconds) else None


def _clean_text(value: object, max_length: int) -> str:
    """Return text of limited length without NUL and lone surrogates, which no database stores."""
    if not isinstance(value, str):
        return ""
    text = value.replace("\x00", "").encode(errors="ignore").decode().strip()
    return text if len(text) <= max_length else text[: max_length - len(CUT)] + CUT
