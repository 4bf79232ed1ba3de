"""Every operation of the EDL, with what it does to a small timeline: the real code is run."""

import json
from functools import cache
from inspect import cleandoc
from typing import Any

from auteur.help.links import ROOT
from auteur.help.markdown import shown, table
from gpu_tasks.runtime.errors import AuteurError
from projects.timeline import rules
from projects.timeline.content import Clip, Content, Segment, all_clips
from projects.timeline.draft import Draft
from projects.timeline.operations import Operation, Operations

FOLDER = ROOT / "docs" / "examples" / "edl"
INTRO = """# Operations of the EDL

What `PATCH /projects/:id/edl` takes in `operations`, one or many, made in order, all or none: see
[editing](editing.md). The examples are made on this timeline of two clips, whose film says
*{said}*; each begins anew, and what comes of it is what the code makes.

"""

Json = dict[str, Any]


class NoExampleError(AuteurError):
    """An operation has no example in `docs/examples/edl/operations.json`."""


def page() -> str:
    """All operations, in the order of their declarations."""
    before = start()
    said = " … ".join(segment["text"] for segment in before.segments)
    parts = [INTRO.format(said=said), _timeline(before)]
    parts += [_operation(name, kind) for name, kind in Operation.named.items()]
    return "".join(parts)


def start() -> Content:
    """The timeline that each example begins with."""
    kept = json.loads((FOLDER / "timeline.json").read_text())
    return Content(tracks=kept["tracks"], segments=kept["segments"])


@cache
def examples() -> dict[str, list[Json]]:
    """By operation: those that are made, of which the last is the one that is shown."""
    kept: dict[str, list[Json]] = json.loads((FOLDER / "operations.json").read_text())
    return kept


def made(wanted: list[Json]) -> tuple[Content, Draft]:
    """The timeline after operations, checked as each edit is."""
    before = start()
    draft = Draft(before)
    for operation in Operations.model_validate({"operations": wanted}).operations:
        operation.apply(draft)
    after = draft.content()
    rules.check_content(before, after)
    return after, draft


def _operation(name: str, kind: type[Operation]) -> str:
    if name not in examples():
        raise NoExampleError(f"{name} has no example in {FOLDER.name}/operations.json")
    *earlier, asked = examples()[name]
    after, draft = made([*earlier, asked])
    parts = [f"## {name}\n\n{cleandoc(kind.__doc__ or '')}\n\n", _fields(kind)]
    if earlier:
        names = ", ".join(f"`{one['op']}`" for one in earlier)
        parts.append(f"After {names}:\n\n")
    parts.append(shown(asked))
    changed = made(earlier)[0] if earlier else start()
    parts.append(_difference(changed, after))
    if draft.removed and not earlier:
        (one,) = draft.removed
        told = {"op": one.op, "count": one.count, "cut_ms": one.cut_ms}
        parts.append("The answer's `removed` tells:\n\n" + shown([told]))
    return "".join(parts)


def _fields(kind: type[Operation]) -> str:
    document = kind.model_json_schema()
    defined = document.get("$defs", {})
    needed = set(document.get("required", ()))
    rows = []
    for name, field in document["properties"].items():
        if name == "op":
            continue
        default = "**required**" if name in needed else f"`{json.dumps(field.get('default'))}`"
        rows.append((f"`{name}`", default, _kind(field, defined), field.get("description", "")))
    return table(("field", "default", "what it may be", "meaning"), rows)


def _kind(field: Json, defined: Json) -> str:
    if "$ref" in field:
        return _kind(defined[field["$ref"].rpartition("/")[2]], defined)
    if options := field.get("anyOf") or field.get("oneOf"):
        return " or ".join(dict.fromkeys(_kind(each, defined) for each in options))
    if "enum" in field:
        return " or ".join(f"`{value}`" for value in field["enum"])
    if "const" in field:
        return f"`{field['const']}`"
    if field.get("type") == "array":
        most = f", at most {field['maxItems']}" if "maxItems" in field else ""
        return f"list of {_kind(field['items'], defined)}{most}"
    return _plain(field)


def _plain(field: Json) -> str:
    if field.get("type") == "object":
        return "an effect" if "type" in field.get("properties", {}) else "an object"
    told = [{"string": "text"}.get(str(field.get("type")), str(field.get("type", "anything")))]
    if "minimum" in field:
        told.append(f"at least {field['minimum']:,}")
    if "maximum" in field:
        told.append(f"at most {field['maximum']:,}")
    if "maxLength" in field:
        told.append(f"up to {field['maxLength']:,} characters")
    return ", ".join(told)


def _difference(before: Content, after: Content) -> str:
    """What tracks play, and what is said, as far as that has changed."""
    parts = []
    if before.tracks != after.tracks:
        parts.append(_timeline(after))
    if before.segments != after.segments:
        said = " … ".join(filter(None, map(_said, after.segments)))
        parts.append(f"The transcript reads: *{said}*\n\n")
    return "".join(parts)


def _timeline(content: Content) -> str:
    rows = [_row(clip) for clip in sorted(all_clips(content.tracks), key=_start)]
    empty = [
        (f"`{track['id']}`", "", "", "", "", "no clips")
        for track in content.tracks
        if not track["clips"]
    ]
    head = ("track", "clip", "start_ms", "duration_ms", "in – out", "besides")
    return table(head, [*rows, *empty])


def _start(clip: Clip) -> int:
    return clip["start_ms"]


def _row(clip: Clip) -> tuple[object, ...]:
    return (
        f"`{clip['track_id']}`",
        f"`{clip['id']}`",
        clip["start_ms"],
        clip["duration_ms"],
        f"{clip['in_point_ms']}–{clip['out_point_ms']}",
        _marks(clip),
    )


def _marks(clip: Clip) -> str:
    effects = ", ".join(f"`{json.dumps(effect)}`" for effect in clip["effects"])
    return ", ".join(filter(None, ("deleted" if clip["deleted"] else "", effects)))


def _said(segment: Segment) -> str:
    if segment["deleted"]:
        return ""
    if segment["edited_text"] is not None:
        return f"{segment['speaker']}: {segment['edited_text']}"
    words = (
        word.get("edited_word") or word["word"]
        for word in segment["words"]
        if not word.get("deleted")
    )
    return f"{segment['speaker']}: {' '.join(words)}"
