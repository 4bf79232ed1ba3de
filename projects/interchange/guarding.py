"""What a file from outside must hold to before an adapter sees it.

The adapters trust their input: deep nesting ends the process, entities and references multiply a
small file, and some of their steps take time that is the product of two counts.
"""

import json
from dataclasses import dataclass
from typing import Any
from xml.parsers import expat

from projects.bounds import MAX_CLIPS

MAX_DEPTH = 64
MAX_ELEMENTS = 200_000
MAX_FILE_ELEMENTS = 200
"""In one `file` element: the adapter reads it again for every clip that names it, and keeps it."""
MAX_FILE_CHARACTERS = 8_000
"""Of text and attributes in one."""
MAX_COPIED_ELEMENTS = 50_000
MAX_COPIED_CHARACTERS = 4_000_000
"""In all `file` elements, counted as often as they are named."""
MAX_LINES = 12 * MAX_CLIPS
MAX_EVENT_LINES = 2 * MAX_CLIPS
MAX_LINE_LENGTH = 1000


def checked_json(text: str) -> Any:
    """The one timeline of a JSON text.

    Raises ``ValueError`` where it is nested too deeply, holds references in itself, or says a thing
    twice: Python's reader takes the last of two equal members, OpenTimelineIO's the first.
    """
    try:
        found = json.loads(text, object_pairs_hook=_object)
    except RecursionError as exc:
        raise ValueError("It is nested too deeply.") from exc
    if not isinstance(found, dict) or not str(found.get("OTIO_SCHEMA")).startswith("Timeline."):
        raise ValueError("The file must hold one timeline, and nothing beside it.")
    level = [found]
    for _ in range(MAX_DEPTH):
        level = [inner for value in level for inner in inside(value)]
        if not level:
            return found
    raise ValueError("It is nested too deeply.")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("An object has two members of one name.")
    if str(found.get("OTIO_SCHEMA")).startswith("SerializableObjectRef"):
        raise ValueError("It refers to parts of itself.")
    return found


def inside(value: Any) -> list[Any]:
    """The values in a list or a dict."""
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def check_xml(text: str) -> None:
    """Raise ``ValueError`` for a document type with content, entities, and multiplied parts."""
    _XmlCheck().run(text)


@dataclass
class _File:
    """A `file` element, and how often one of its id stands in the timeline."""

    elements: int = 0
    characters: int = 0
    named: int = 1

    def add(self, elements: int, characters: int) -> None:
        """Count what is in it."""
        self.elements += elements
        self.characters += characters
        if self.elements > MAX_FILE_ELEMENTS or self.characters > MAX_FILE_CHARACTERS:
            raise ValueError("A `file` element has too many parts, or too long ones.")

    def again(self, other: "_File") -> None:
        """Count another of its id, which may be the one that tells all."""
        self.named += 1
        self.elements = max(self.elements, other.elements)
        self.characters = max(self.characters, other.characters)


class _XmlCheck:
    """Counts and paths while expat reads."""

    def __init__(self) -> None:
        self._path: list[str] = []
        self._ids: set[str] = set()
        self._elements = 0
        self._clips = 0
        self._files: dict[str, _File] = {}
        self._file: _File | None = None
        self._file_id: str | None = None

    def run(self, text: str) -> None:
        """Read it all; expat's own errors are told as they are."""
        parser = expat.ParserCreate("utf-8")
        parser.StartDoctypeDeclHandler = self._doctype
        parser.EntityDeclHandler = self._entity
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._characters
        try:
            parser.Parse(text.encode(), True)
        except expat.ExpatError as exc:
            raise ValueError(f"It is no XML: {exc}.") from exc
        files = self._files.values()
        if (
            sum(file.named * file.elements for file in files) > MAX_COPIED_ELEMENTS
            or sum(file.named * file.characters for file in files) > MAX_COPIED_CHARACTERS
        ):
            raise ValueError("Its `file` elements are too large for so many clips.")

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
        self._open_file(name, attributes)
        self._identify(name, attributes.get("id"))

    def _count(self, name: str) -> None:
        self._clips += name in ("clipitem", "generatoritem", "transitionitem")
        if self._clips > 2 * MAX_CLIPS:
            raise ValueError("It has too many clips.")
        if name == "sequence" and "clipitem" in self._path:
            raise ValueError("A sequence in a sequence is not read.")

    def _open_file(self, name: str, attributes: dict[str, str]) -> None:
        if self._file is None and name == "file":
            self._file, self._file_id = _File(), attributes.get("id")
        if self._file is not None:
            self._file.add(1, sum(map(len, attributes.values())))

    def _close_file(self) -> None:
        known = self._files.get(self._file_id or "")
        if self._file is not None and known is not None:
            known.again(self._file)
        elif self._file is not None and self._file_id:
            self._files[self._file_id] = self._file
        self._file = None

    def _characters(self, text: str) -> None:
        if self._file is not None:
            self._file.add(0, len(text))

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
        if name == "file" and name not in self._path:
            self._close_file()


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
