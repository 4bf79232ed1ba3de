"""The formats: what each is called, how it is written, and how an untrusted file of it is read."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import opentimelineio as otio

from auteur.api.problems import Problem
from projects.interchange import guarding

MAX_INTERCHANGE_BYTES = 8 * 1024**2
"""Of a file that is imported; a timeline as large as can be is written in less."""


@dataclass(frozen=True)
class Format:
    """A kind of file; ``adapter`` is OpenTimelineIO's name for it."""

    name: str
    adapter: str
    suffix: str
    content_type: str
    guard: Callable[[str], None]


FORMATS = {
    each.name: each
    for each in (
        Format(
            "otio",
            "otio_json",
            "otio",
            "application/vnd.pixar.opentimelineio+json",
            guarding.check_json,
        ),
        Format("fcp_xml", "fcp_xml", "xml", "application/xml", guarding.check_xml),
        Format("cmx3600", "cmx_3600", "edl", "text/plain; charset=utf-8", guarding.check_cmx),
    )
}


class UnreadableFile(Problem):
    """The file is not of its format, or is made to do harm."""

    default_code = "unreadable_file"
    default_detail = "The file cannot be read as what it is said to be."


def write(timeline: otio.schema.Timeline, form: Format) -> str:
    """The timeline as a file of this format, which must be able to hold it."""
    options: dict[str, Any] = {"indent": -1} if form.name == "otio" else {}
    return str(otio.adapters.write_to_string(timeline, form.adapter, **options))


def read(text: str, form: Format, frame_rate: float) -> otio.schema.Timeline:
    """The one timeline in a file; ``frame_rate`` is for CMX 3600, which does not tell its own."""
    options: dict[str, Any] = {"rate": frame_rate} if form.name == "cmx3600" else {}
    try:
        form.guard(text)
        found = otio.adapters.read_from_string(text, form.adapter, **options)
    except Exception as exc:  # adapters stumble over bad files in any way
        raise UnreadableFile(f"This is no {form.name} file that we can read: {exc}"[:500]) from exc
    if not isinstance(found, otio.schema.Timeline):
        raise UnreadableFile("The file must hold one timeline, and nothing beside it.")
    return found
