"""Check files of other editors before they are parsed.

Deep nesting would end the process; entities and references multiply a small file.
"""

import json
from typing import Any
from xml.parsers import expat

from opentimelineio.core import type_version_map

from projects.bounds import MAX_CLIPS

FCP_X = "fcpxml"
NOT_FCP_X = (
    "Files of Final Cut Pro X (fcpxml) are not supported. Convert the file to FCP XML (xmeml), "
    "for example with DaVinci Resolve, or to OpenTimelineIO."
)
NEWEST_SCHEMAS: dict[str, int] = type_version_map()
MAX_DEPTH = 64
MAX_ELEMENTS = 200_000
MAX_LINES = 12 * MAX_CLIPS
MAX_EVENT_LINES = 2 * MAX_CLIPS
MAX_LINE_LENGTH = 1000


def parse_json(text: str) -> Any:
    """Return the one timeline of a JSON text, without its markers.

    Markers change nothing in the film, and newer programs write them in a newer schema. Raises
    ``ValueError`` if the text is nested too deeply, refers to parts of itself, or has equal
    members: Python's parser takes the last of them, OpenTimelineIO's the first.
    """
    try:
        timeline = json.loads(text, object_pairs_hook=_check_object)
    except RecursionError as exc:
        raise ValueError("The file is nested too deeply.") from exc
    except json.JSONDecodeError as exc:
        raise ValueError(f"The file is not JSON: {exc}.") from exc
    if not isinstance(timeline, dict) or not str(timeline.get("OTIO_SCHEMA")).startswith(
        "Timeline."
    ):
        raise ValueError("The file must contain exactly one timeline and nothing else.")
    level = [timeline]
    for _ in range(MAX_DEPTH):
        level = [member for value in level for member in list_members(value)]
        if not level:
            return timeline
    raise ValueError("The file is nested too deeply.")


def _check_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError("An object has two members with the same name.")
    schema, _, version = str(members.get("OTIO_SCHEMA", "")).partition(".")
    if schema == "SerializableObjectRef":
        raise ValueError("The file refers to parts of itself.")
    if schema:
        members.pop("markers", None)
    newest = NEWEST_SCHEMAS.get(schema)
    if schema != "Marker" and newest and version.isdecimal() and int(version[:9]) > newest:
        raise ValueError(
            f"The file has a {schema}.{version}, but {schema}.{newest} is the newest supported "
            "version. Write the file for an older version of OpenTimelineIO."
        )
    return members


def list_members(value: Any) -> list[Any]:
    """Return the values in a list or a dict."""
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def check_xml(text: str) -> None:
    """Raise ``ValueError`` for a document type with content, for entities, depth and numbers."""
    _XmlCheck().run(text)


class _XmlCheck:
    """The counts of one XML file while expat parses it."""

    def __init__(self) -> None:
        self._depth = 0
        self._elements = 0
        self._clips = 0

    def run(self, text: str) -> None:
        """Parse the whole text; raise ``ValueError`` if it is no XML or not allowed."""
        parser = expat.ParserCreate("utf-8")
        parser.StartDoctypeDeclHandler = self._on_doctype
        parser.EntityDeclHandler = self._on_entity
        parser.StartElementHandler = self._on_start
        parser.EndElementHandler = self._on_end
        try:
            parser.Parse(text.encode(), True)
        except expat.ExpatError as exc:
            raise ValueError(f"The file is not XML: {exc}.") from exc

    def _on_doctype(self, name: str, system: str | None, public: str | None, subset: int) -> None:
        # Every file that editors write has `<!DOCTYPE xmeml>` without a definition.
        if name == FCP_X:
            raise ValueError(NOT_FCP_X)
        if name != "xmeml" or system is not None or public is not None or subset:
            raise ValueError("Document types with a definition are not supported.")

    def _on_entity(self, *_: Any) -> None:
        raise ValueError("Entities are not supported.")

    def _on_start(self, name: str, _: dict[str, str]) -> None:
        if not self._depth and name == FCP_X:
            raise ValueError(NOT_FCP_X)
        if not self._depth and name != "xmeml":
            raise ValueError("The root element is not `xmeml`.")
        self._depth += 1
        self._elements += 1
        if self._elements > MAX_ELEMENTS or self._depth > MAX_DEPTH:
            raise ValueError("The file has too many elements, or elements nested too deeply.")
        self._clips += name in ("clipitem", "generatoritem", "transitionitem")
        if self._clips > 2 * MAX_CLIPS:
            raise ValueError("The file has too many clips.")

    def _on_end(self, _: str) -> None:
        self._depth -= 1


def check_cmx(text: str) -> None:
    """Raise ``ValueError`` for more lines, or longer ones, than a timeline of ours can need."""
    lines = text.splitlines()
    events = sum(line.lstrip()[:1].isdigit() for line in lines)
    if not events:
        raise ValueError("The file has no events.")
    if len(lines) > MAX_LINES or events > MAX_EVENT_LINES:
        raise ValueError("The file has too many events.")
    if max(map(len, lines)) > MAX_LINE_LENGTH:
        raise ValueError("The file has a line that is too long.")
