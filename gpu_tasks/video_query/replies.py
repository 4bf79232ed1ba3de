"""What a language model replied, checked before it is believed: an answer and times of the film."""

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
"""The words that the model is asked to use."""
CUT = "…"
"""The end of a text of which there was more."""
_CONTROL = re.compile(r"[\x00-\x1f]+")


def read(reply: str, duration_ms: int) -> tuple[str, tuple[Evidence, ...]]:
    """The answer and the evidence that lies in the film.

    Of a reply that was cut, this is the answer so far and the evidence that is complete. A reply
    of another form than asked for is the answer as it stands, without evidence. Raises
    ``EngineError`` MODEL_ERROR where nothing was replied.
    """
    plain = _CONTROL.sub(" ", reply)  # a bare new line in a text is no JSON
    found = next((one for one in _objects(plain) if "answer" in one), None) or _so_far(plain)
    given = found.get("evidence")
    listed = given if isinstance(given, list) else []
    evidence = [one for one in (_evidence(each, duration_ms) for each in listed) if one]
    answered = found.get("answer")
    answer = _text(answered if isinstance(answered, str) else reply, MAX_ANSWER)
    if not answer:
        raise EngineError(ErrorCode.MODEL_ERROR)
    return answer, tuple(evidence[:MAX_EVIDENCE])


def _so_far(reply: str) -> dict[str, Any]:
    """The answer of an object that ends too early, and the objects that are complete in it."""
    for start in (match.start() for match in re.finditer("{", reply)):
        try:
            found = from_json(reply[start:], allow_partial="trailing-strings")
            ended = from_json(reply[start:], allow_partial=True)  # less a text that does not end
        except ValueError:
            continue
        answer = found.get("answer")
        if isinstance(answer, str):
            if answer.strip() and "answer" not in ended:
                answer = answer.rstrip() + CUT
            return {"answer": answer, "evidence": list(_objects(reply[start:]))}
    return {}


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
    """Text without NUL and half characters, which no database takes, no longer than allowed."""
    if not isinstance(given, str):
        return ""
    text = given.replace("\x00", "").encode(errors="ignore").decode().strip()
    return text if len(text) <= longest else text[: longest - len(CUT)] + CUT
