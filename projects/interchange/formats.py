"""The formats: what each is called, and how it is written."""

from dataclasses import dataclass
from typing import Any

import opentimelineio as otio

MAX_INTERCHANGE_BYTES = 8 * 1024**2
"""Of a file that is imported; a timeline as large as can be is written in less."""


@dataclass(frozen=True)
class Format:
    """A kind of file; ``adapter`` is OpenTimelineIO's name for it."""

    name: str
    adapter: str
    suffix: str
    content_type: str


FORMATS = {
    each.name: each
    for each in (
        Format(
            "otio",
            "otio_json",
            "otio",
            "application/vnd.pixar.opentimelineio+json",
        ),
        Format("fcp_xml", "fcp_xml", "xml", "application/xml"),
        Format("cmx3600", "cmx_3600", "edl", "text/plain; charset=utf-8"),
    )
}


def write(timeline: otio.schema.Timeline, form: Format) -> str:
    """The timeline as a file of this format, which must be able to hold it."""
    options: dict[str, Any] = {"indent": -1} if form.name == "otio" else {}
    return str(otio.adapters.write_to_string(timeline, form.adapter, **options))
