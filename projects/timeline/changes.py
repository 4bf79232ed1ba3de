"""What an edit has changed: found by comparison, applied, and written for MongoDB and clients.

A change sets the value at a path, or takes elements out of an array and puts others in. It is a
plain dict that BSON can hold: the inverse changes of an edit are its step on the undo stack. All
indexes hold for one version of the document, which every write names.
"""

import re
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import compress
from operator import is_not
from typing import Any

from projects.timeline.content import Change, Content

TRACKS = "tracks"
SEGMENTS = "transcript.segments"
CAPTIONS_STYLE = "captions_style"
MAX_TARGETED = 200
"""More changes than these in one array are written as the whole array."""


@dataclass(frozen=True)
class ChangeSet:
    """The changes between two contents, forwards and backwards."""

    forward: list[Change] = field(default_factory=list)
    inverse: list[Change] = field(default_factory=list)
    moved: Container[int] = ()


def diff_contents(before: Content, after: Content, moved: Container[int] = ()) -> ChangeSet:
    """The changes that make ``after`` of ``before``, and those that take it back.

    Clips whose ``id()`` is among the ``moved`` are known to differ in where they begin alone.
    """
    found = ChangeSet(moved=moved)
    _compare(before.tracks, after.tracks, (TRACKS, TRACKS), found)
    _compare(before.segments, after.segments, (SEGMENTS, SEGMENTS), found)
    if before.captions_style != after.captions_style:
        paths = (CAPTIONS_STYLE, CAPTIONS_STYLE)
        _set_value(found, paths, before.captions_style, after.captions_style)
    return found


Paths = tuple[str, str]
"""Where a value lies in the old content and where in the new one."""


def _compare(before: Any, after: Any, at: Paths, found: ChangeSet) -> None:
    if isinstance(before, dict) and isinstance(after, dict) and list(before) == list(after):
        _compare_fields(before, after, at, found)
    elif isinstance(before, list) and isinstance(after, list):
        if _side_by_side(before, after):
            places = compress(range(len(after)), map(is_not, before, after))
            _compare_elements(before, after, [(place, place) for place in places], at, found)
        else:
            _compare_others(before, after, at, found)
    elif type(before) is not type(after) or before != after:
        _set_value(found, at, before, after)


def _compare_fields(before: Any, after: Any, at: Paths, found: ChangeSet) -> None:
    for key, old, new in zip(after, before.values(), after.values(), strict=True):
        if old is new:
            continue
        paths = (f"{at[0]}.{key}", f"{at[1]}.{key}")
        if type(old) is type(new) is int:
            if old != new:
                _set_value(found, paths, old, new)
        else:
            _compare(old, new, paths, found)


def _set_value(found: ChangeSet, at: Paths, before: Any, after: Any) -> None:
    found.forward.append({"path": at[1], "value": after})
    found.inverse.append({"path": at[0], "value": before})


def _compare_others(before: list[Any], after: list[Any], at: Paths, found: ChangeSet) -> None:
    """Elements have come, gone or changed places."""
    old, new = _names(before), _names(after)
    if old is None or new is None or not _in_same_order(old, new):
        if before != after:
            _set_value(found, at, before, after)
        return
    gone = sorted([old[name] for name in old.keys() - new.keys()])
    come = sorted([new[name] for name in new.keys() - old.keys()])
    if gone or come:
        inserted = [[index, after[index]] for index in come]
        found.forward.append({"path": at[1], "remove": gone, "insert": inserted})
        restored = [[index, before[index]] for index in gone]
        found.inverse.append({"path": at[0], "remove": come, "insert": restored})
    stayed = [(old[name], index) for name, index in new.items() if name in old]
    places = [(was, index) for was, index in stayed if before[was] is not after[index]]
    _compare_elements(before, after, places, at, found)


def _in_same_order(old: dict[Any, int], new: dict[Any, int]) -> bool:
    """Whether the names that are in both come in the same order."""
    gone, come = old.keys() - new.keys(), new.keys() - old.keys()
    return [n for n in old if n not in gone] == [n for n in new if n not in come]


def _compare_elements(
    before: list[Any],
    after: list[Any],
    places: Iterable[tuple[int, int]],
    at: Paths,
    found: ChangeSet,
) -> None:
    """What is at each pair of places: before, and after."""
    forward, inverse, moved = found.forward.append, found.inverse.append, found.moved
    for was, index in places:
        old, new = before[was], after[index]
        if id(new) not in moved:
            _compare(old, new, (f"{at[0]}.{was}", f"{at[1]}.{index}"), found)
            continue
        path = f"{at[1]}.{index}.start_ms"
        was_at = path if was == index and at[0] == at[1] else f"{at[0]}.{was}.start_ms"
        forward({"path": path, "value": new["start_ms"]})
        inverse({"path": was_at, "value": old["start_ms"]})


def _side_by_side(before: list[Any], after: list[Any]) -> bool:
    """Whether each element has stayed at its place."""
    return len(before) == len(after) and all(
        _id_of(before[index]) == _id_of(after[index])
        for index in compress(range(len(after)), map(is_not, before, after))
    )


def _id_of(item: Any) -> Any:
    return item.get("id") if isinstance(item, dict) else None


def _names(items: list[Any]) -> dict[Any, int] | None:
    """Elements by id, where each has one of its own."""
    try:
        ids = [item["id"] for item in items]
    except (TypeError, KeyError, IndexError):
        return None
    names = dict(zip(ids, range(len(ids)), strict=True))
    return names if len(names) == len(ids) else None


def apply_changes(content: Content, changes: Sequence[Change]) -> Content:
    """The content after the changes; what they do not touch is shared."""
    root: dict[str, Any] = {
        TRACKS: content.tracks,
        SEGMENTS: content.segments,
        CAPTIONS_STYLE: content.captions_style,
    }
    copied: dict[str, Any] = {}
    for change in changes:
        path = change["path"]
        if path in root:
            root[path] = _changed(root[path], change)
        else:
            way, _, last = path.rpartition(".")
            parent = _copied(root, way, copied)
            key = int(last) if isinstance(parent, list) else last
            parent[key] = _changed(parent[key], change)
    return Content(root[TRACKS], root[SEGMENTS], root[CAPTIONS_STYLE])


def _copied(root: dict[str, Any], path: str, copied: dict[str, Any]) -> Any:
    """The container at the path, all on the way copied once."""
    found = copied.get(path)
    if found is None:
        parent: Any = root
        key: int | str = path
        if path not in root:
            way, _, last = path.rpartition(".")
            parent = _copied(root, way, copied)
            key = int(last) if isinstance(parent, list) else last
        found = copied[path] = parent[key] = parent[key].copy()
    return found


def _changed(old: Any, change: Change) -> Any:
    if "value" in change:
        return change["value"]
    removed = set(change["remove"])
    items = [item for index, item in enumerate(old) if index not in removed]
    for index, item in change["insert"]:
        items.insert(index, item)
    return items


def _keys(path: str) -> list[str]:
    """The path's parts, the first of which is one of the content's two lists."""
    root = TRACKS if path.startswith(TRACKS) else SEGMENTS
    rest = path[len(root) + 1 :]
    return [root, *rest.split(".")] if rest else [root]


def update_of(
    before: Content, after: Content, changes: Sequence[Change]
) -> dict[str, dict[str, Any]]:
    """The MongoDB update that makes them: as little as its rules about conflicting paths allow."""
    update: dict[str, dict[str, Any]] = {}
    in_arrays = _by_array(changes)
    whole = _whole(before, changes, in_arrays)
    written = _prefixes(whole)
    for path in whole:
        if not path.startswith(written):
            update.setdefault("$set", {})[path] = _value_at(after, path)
    for array, some in in_arrays:
        if array in whole:
            continue
        for change in some:
            if change["path"] not in whole and not change["path"].startswith(written):
                for operator, path, value in _targeted(change, before):
                    update.setdefault(operator, {})[path] = value
    return update


def _prefixes(arrays: set[str]) -> tuple[str, ...]:
    """What the paths into any of the arrays begin with."""
    return tuple(f"{array}." for array in arrays)


def _whole(
    before: Content, changes: Sequence[Change], in_arrays: Iterable[tuple[str, list[Change]]]
) -> set[str]:
    """The arrays that are written whole: changed in two ways that conflict, or in many places."""
    counts: Counter[str] = Counter()
    for array, some in in_arrays:
        counts[array] += len(some)
    crowded = {array for array, count in counts.items() if array and count > MAX_TARGETED}
    mixed = {
        change["path"]
        for change in changes
        if "value" not in change
        and not _appends(change, before)
        and not (_is_run(change) and _changes_alone(change["path"], changes))
    }
    return crowded | mixed


def _changes_alone(path: str, changes: Sequence[Change]) -> bool:
    """Whether nothing in the array is changed but which elements it has."""
    return not any(change["path"].startswith(f"{path}.") for change in changes)


_ARRAY = re.compile(r"(?:tracks\.\d+\.clips|transcript\.segments\.\d+\.words)\.")


def _by_array(changes: Sequence[Change]) -> list[tuple[str, list[Change]]]:
    """Changes one after the other within one array of clips or words, or outside (no name)."""
    found: list[tuple[str, list[Change]]] = []
    within = ""
    for change in changes:
        if not (within and change["path"].startswith(within)):
            array = _ARRAY.match(change["path"])
            within = array[0] if array else ""
            found.append((within[:-1], []))
        found[-1][1].append(change)
    return found


def _is_run(change: Change) -> bool:
    """Whether one operator can make it: elements taken out, or put in one behind the other."""
    if change["remove"]:
        return not change["insert"]
    places = [index for index, _ in change["insert"]]
    return places == [*range(places[0], places[0] + len(places))]


def _appends(change: Change, before: Content) -> bool:
    if change["remove"] or not _is_run(change):
        return False
    return bool(change["insert"][0][0] == len(_value_at(before, change["path"])))


def _targeted(change: Change, before: Content) -> Iterator[tuple[str, str, Any]]:
    """Operator, field and argument for one change."""
    path = change["path"]
    if "value" in change:
        yield "$set", path, change["value"]
    elif change["remove"]:
        array = _value_at(before, path)
        yield "$pull", path, {"id": {"$in": [array[index]["id"] for index in change["remove"]]}}
    elif _appends(change, before):
        for index, item in change["insert"]:
            yield "$set", f"{path}.{index}", item  # unlike $push, beside other fields of the array
    else:
        items = [item for _, item in change["insert"]]
        yield "$push", path, {"$each": items, "$position": change["insert"][0][0]}


def _value_at(content: Content, path: str) -> Any:
    root, *rest = _keys(path)
    value: Any = content.tracks if root == TRACKS else content.segments
    for key in rest:
        value = value[int(key)] if isinstance(value, list) else value[key]
    return value


def as_json_patch(changes: Sequence[Change]) -> list[dict[str, Any]]:
    """The changes as RFC 6902 writes them."""
    return [operation for change in changes for operation in _operations(change)]


def _operations(change: Change) -> Iterator[dict[str, Any]]:
    pointer = "/" + change["path"].replace(".", "/")
    if "value" in change:
        yield {"op": "replace", "path": pointer, "value": change["value"]}
        return
    for index in reversed(change["remove"]):
        yield {"op": "remove", "path": f"{pointer}/{index}"}
    for index, item in change["insert"]:
        yield {"op": "add", "path": f"{pointer}/{index}", "value": item}
