"""Define the interchange formats: their names, suffixes and content types."""

from dataclasses import dataclass

MAX_INTERCHANGE_BYTES = 8 * 1024**2
"""The limit of an imported file. The largest possible timeline is smaller."""


@dataclass(frozen=True)
class Format:
    """One interchange format."""

    name: str
    suffix: str
    content_type: str


FORMATS = {
    form.name: form
    for form in (
        Format("otio", "otio", "application/vnd.pixar.opentimelineio+json"),
        Format("fcp_xml", "xml", "application/xml"),
        Format("cmx3600", "edl", "text/plain; charset=utf-8"),
    )
}
