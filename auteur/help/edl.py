"""The page of EDL operations, with their effect on a small timeline, computed by the real code."""

import json
from functools import cache
from inspect import cleandoc
from typing import Any

from auteur.help.links import ROOT
from auteur.help.markdown import format_json, format_table
from gpu_tasks.runtime.errors import AuteurError
from projects.timeline import rules
from projects.timeline.content import Clip, Content, Segment, all_clips
from projects.timeline.draft import Draft
from projects.timeline.operations import Operation, Operations

FOLDER = ROOT / "docs" / "examples" / "edl"
INTRO = """# Operations of the EDL

`PATCH /projects/:id/edl` takes these `operations`. It applies them in order, all or none: see
[editing](editing.md). Each example starts with this timeline of two clips, whose transcript is
*{transcript}*. The results are computed by the code itself.

"""

Json = dict[str, Any]


class NoExampleError(AuteurError):
    """An operation has no example in `docs/examples/edl/operations.json`."""


def build_page() -> str:
    """Return the page of all operations, in the order of their declarations."""
    before = read_timeline()
    transcript = " … ".join(segment["text"] for segment in before.segments)
    parts = [INTRO.format(transcript=transcript), _build_clip_table(before)]
    parts += [_describe_operation(name, kind) for name, kind in Operation.named.items()]
    return "".join(parts)


def read_timeline() -> Content:
    """Return the timeline that each example starts with."""
    example = json.loads((FOLDER / "timeline.json").read_text())
    return Content(tracks=example["tracks"], segments=example["segments"])


@cache
def read_examples() -> dict[str, list[Json]]:
    """Return the examples by operation. The last operation of each is the documented one."""
    examples_by_name: dict[str, list[Json]] = json.loads((FOLDER / "operations.json").read_text())
    return examples_by_name


def apply_operations(operations: list[Json]) -> tuple[Content, Draft]:
    """Return the timeline after the operations, checked as each edit is."""
    before = read_timeline()
    draft = Draft(before)
    for operation in Operations.model_validate({"operations": operations}).operations:
        operation.apply(draft)
    after = draft.content()
    rules.check_content(before, after)
    return after, draft


def _describe_operation(name: str, kind: type[Operation]) -> str:
    if name not in read_examples():
        raise NoExampleError(f"{name} has no example in {FOLDER.name}/operations.json: add one")
    *earlier_operations, operation = read_examples()[name]
    after, draft = apply_operations([*earlier_operations, operation])
    parts = [f"## {name}\n\n{cleandoc(kind.__doc__ or '')}\n\n", _build_field_table(kind)]
    if earlier_operations:
        names = ", ".join(f"`{earlier['op']}`" for earlier in earlier_operations)
        parts.append(f"After {names}:\n\n")
    parts.append(format_json(operation))
    before = apply_operations(earlier_operations)[0] if earlier_operations else read_timeline()
    parts.append(_describe_difference(before, after))
    if draft.removed and not earlier_operations:
        (removal,) = draft.removed
        removal_json = {"op": removal.op, "count": removal.count, "cut_ms": removal.cut_ms}
        parts.append("The answer's `removed`:\n\n" + format_json([removal_json]))
    return "".join(parts)


def _build_field_table(kind: type[Operation]) -> str:
    document = kind.model_json_schema()
    definitions = document.get("$defs", {})
    required = set(document.get("required", ()))
    rows = []
    for name, field in document["properties"].items():
        if name == "op":
            continue
        default = "**required**" if name in required else f"`{json.dumps(field.get('default'))}`"
        rows.append(
            (f"`{name}`", default, _describe_type(field, definitions), field.get("description", ""))
        )
    return format_table(("field", "default", "values", "meaning"), rows)


def _describe_type(field: Json, definitions: Json) -> str:
    if "$ref" in field:
        return _describe_type(definitions[field["$ref"].rpartition("/")[2]], definitions)
    if options := field.get("anyOf") or field.get("oneOf"):
        return " or ".join(dict.fromkeys(_describe_type(option, definitions) for option in options))
    if "enum" in field:
        return " or ".join(f"`{value}`" for value in field["enum"])
    if "const" in field:
        return f"`{field['const']}`"
    if field.get("type") == "array":
        limit = f", at most {field['maxItems']}" if "maxItems" in field else ""
        return f"list of {_describe_type(field['items'], definitions)}{limit}"
    return _describe_plain_type(field)


def _describe_plain_type(field: Json) -> str:
    if field.get("type") == "object":
        return "an effect" if "type" in field.get("properties", {}) else "an object"
    parts = [{"string": "text"}.get(str(field.get("type")), str(field.get("type", "anything")))]
    if "minimum" in field:
        parts.append(f"at least {field['minimum']:,}")
    if "maximum" in field:
        parts.append(f"at most {field['maximum']:,}")
    if "maxLength" in field:
        parts.append(f"up to {field['maxLength']:,} characters")
    return ", ".join(parts)


def _describe_difference(before: Content, after: Content) -> str:
    """Describe tracks and spoken words, as far as they have changed."""
    parts = []
    if before.tracks != after.tracks:
        parts.append(_build_clip_table(after))
    if before.segments != after.segments:
        transcript = " … ".join(filter(None, map(_join_spoken_words, after.segments)))
        parts.append(f"The transcript reads: *{transcript}*\n\n")
    return "".join(parts)


def _build_clip_table(content: Content) -> str:
    rows = [_build_row(clip) for clip in sorted(all_clips(content.tracks), key=_start)]
    empty = [
        (f"`{track['id']}`", "", "", "", "", "no clips")
        for track in content.tracks
        if not track["clips"]
    ]
    head = ("track", "clip", "start_ms", "duration_ms", "in – out", "other")
    return format_table(head, [*rows, *empty])


def _start(clip: Clip) -> int:
    return clip["start_ms"]


def _build_row(clip: Clip) -> tuple[object, ...]:
    return (
        f"`{clip['track_id']}`",
        f"`{clip['id']}`",
        clip["start_ms"],
        clip["duration_ms"],
        f"{clip['in_point_ms']}–{clip['out_point_ms']}",
        _describe_marks(clip),
    )


def _describe_marks(clip: Clip) -> str:
    effects = ", ".join(f"`{json.dumps(effect)}`" for effect in clip["effects"])
    return ", ".join(filter(None, ("deleted" if clip["deleted"] else "", effects)))


def _join_spoken_words(segment: Segment) -> str:
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
