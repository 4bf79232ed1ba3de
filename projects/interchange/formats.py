"""The formats: what each is called."""

from dataclasses import dataclass

MAX_INTERCHANGE_BYTES = 8 * 1024**2
"""Of a file that is imported; a timeline as large as can be is written in less."""


@dataclass(frozen=True)
class Format:
    """A kind of file."""

    name: str
    suffix: str
    content_type: str


FORMATS = {
    each.name: each
    for each in (
        Format("otio", "otio", "application/vnd.pixar.opentimelineio+json"),
        Format("fcp_xml", "xml", "application/xml"),
        Format("cmx3600", "edl", "text/plain; charset=utf-8"),
    )
}
