"""What a file from outside must hold to before an adapter sees it.

The adapters trust their input: deep nesting ends the process, entities and references multiply a
small file, and some of their steps take time that is the product of two counts.
"""

import json
from typing import Any
from xml.parsers import expat

from projects.documents import MAX_CLIPS

MAX_DEPTH = 64
MAX_ELEMENTS = 200_000
MAX_FILE_ELEMENTS = 200
"""In one `file` element: the adapter reads it again for every clip that names it."""
MAX_LINES = 12 * MAX_CLIPS
MAX_EVENT_LINES = 2 * MAX_CLIPS
MAX_LINE_LENGTH = 1000


def check_json(text: str) -> None:
    """Raise ``ValueError`` where JSON is nested too deeply or holds references in itself."""
    try:
        level = [json.loads(text)]
    except RecursionError as exc:
        raise ValueError("It is nested too deeply.") from exc
    for _ in range(MAX_DEPTH):
        level = [inner for value in level for inner in _inside(value)]
        if not level:
            return
    raise ValueError("It is nested too deeply.")


def _inside(value: Any) -> list[Any]:
    if isinstance(value, list):
        return value
    if not isinstance(value, dict):
        return []
    if str(value.get("OTIO_SCHEMA")).startswith("SerializableObjectRef"):
        raise ValueError("It refers to parts of itself.")
    return list(value.values())


def check_xml(text: str) -> None:
    """Raise ``ValueError`` for a document type with content, entities, and multiplied parts."""
    _XmlCheck().run(text)


class _XmlCheck:
    """Counts and paths while expat reads."""

    def __init__(self) -> None:
        self._path: list[str] = []
        self._ids: set[str] = set()
        self._elements = 0
        self._clips = 0
        self._in_file = 0

    def run(self, text: str) -> None:
        """Read it all; expat's own errors are told as they are."""
        parser = expat.ParserCreate("utf-8")
        parser.StartDoctypeDeclHandler = self._doctype
        parser.EntityDeclHandler = self._entity
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        try:
            parser.Parse(text.encode(), True)
        except expat.ExpatError as exc:
            raise ValueError(f"It is no XML: {exc}.") from exc

    def _doctype(self, name: str, system: str | None, public: str | None, subset: int) -> None:
        # `<!DOCTYPE xmeml>` alone stands in every file that editors write.
        if name != "xmeml" or system is not None or public is not None or subset:
            raise ValueError("A document type with a definition is not read.")

    def _entity(self, *_: Any) -> None:
        raise ValueError("Entities are not read.")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if not self._path and name != "xmeml":
            raise ValueError("Its root is not `xmeml`.")
        self._path.append(name)
        self._elements += 1
        if self._elements > MAX_ELEMENTS or len(self._path) > MAX_DEPTH:
            raise ValueError("It has too many elements, or too deep ones.")
        self._count(name)
        self._identify(name, attributes.get("id"))

    def _count(self, name: str) -> None:
        self._clips += name in ("clipitem", "generatoritem", "transitionitem")
        if self._clips > 2 * MAX_CLIPS:
            raise ValueError("It has too many clips.")
        if name == "sequence" and "clipitem" in self._path:
            raise ValueError("A sequence in a sequence is not read.")
        self._in_file = self._in_file + 1 if "file" in self._path else 0
        if self._in_file > MAX_FILE_ELEMENTS:
            raise ValueError("A `file` element has too many parts.")

    def _identify(self, name: str, value: str | None) -> None:
        if value is None or name == "file":
            return
        if name in ("sequence", "media", "video", "audio", "track", "clipitem", "filter") and (
            value in self._ids
        ):
            raise ValueError(f"Two `{name}` elements have one id.")
        self._ids.add(value)

    def _end(self, name: str) -> None:
        self._path.pop()


def check_cmx(text: str) -> None:
    """Raise ``ValueError`` for more lines, or longer ones, than a timeline of ours can need."""
    lines = text.splitlines()
    events = sum(line.lstrip()[:1].isdigit() for line in lines)
    if not events:
        raise ValueError("It has no events.")
    if len(lines) > MAX_LINES or events > MAX_EVENT_LINES:
        raise ValueError("It has too many events.")
    if max(map(len, lines)) > MAX_LINE_LENGTH:
        raise ValueError("It has a line that is too long.")
