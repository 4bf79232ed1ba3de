"""What an edit has changed: found by comparison, applied, and written for MongoDB and clients.

A change sets the value at a path, or takes elements out of an array and puts others in. It is a
plain dict that BSON can hold: the inverse changes of an edit are its step on the undo stack. All
indexes hold for one version of the document, which every write names.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from projects.timeline.content import Change, Content

TRACKS = "tracks"
SEGMENTS = "transcript.segments"
MAX_TARGETED = 200
"""More changes than these in one array are written as the whole array."""


@dataclass(frozen=True)
class Difference:
    """The changes between two contents, forwards and backwards."""

    forward: list[Change] = field(default_factory=list)
    inverse: list[Change] = field(default_factory=list)


def between(before: Content, after: Content) -> Difference:
    """The changes that make ``after`` of ``before``, and those that take it back."""
    found = Difference()
    _compare(before.tracks, after.tracks, (TRACKS, TRACKS), found)
    _compare(before.segments, after.segments, (SEGMENTS, SEGMENTS), found)
    return found


Paths = tuple[str, str]
"""Where a value lies in the old content and where in the new one."""


def _compare(before: Any, after: Any, at: Paths, found: Difference) -> None:
    if isinstance(before, dict) and isinstance(after, dict) and list(before) == list(after):
        _compare_pairs(after, before.values(), after.values(), at, found)
    elif isinstance(before, list) and isinstance(after, list):
        if _side_by_side(before, after):
            _compare_pairs(range(len(after)), before, after, at, found)
        else:
            _compare_others(before, after, at, found)
    elif type(before) is not type(after) or before != after:
        _set_value(found, at, before, after)


def _compare_pairs(
    keys: Iterable[Any], before: Iterable[Any], after: Iterable[Any], at: Paths, found: Difference
) -> None:
    for key, old, new in zip(keys, before, after, strict=True):
        if old is new:
            continue
        paths = (f"{at[0]}.{key}", f"{at[1]}.{key}")
        if type(old) is type(new) is int:  # times, which a cut moves by the thousand
            if old != new:
                _set_value(found, paths, old, new)
        else:
            _compare(old, new, paths, found)


def _set_value(found: Difference, at: Paths, before: Any, after: Any) -> None:
    found.forward.append({"path": at[1], "value": after})
    found.inverse.append({"path": at[0], "value": before})


def _compare_others(before: list[Any], after: list[Any], at: Paths, found: Difference) -> None:
    """Elements have come, gone or changed places."""
    old, new = _names(before), _names(after)
    if old is None or new is None or [n for n in old if n in new] != [n for n in new if n in old]:
        if before != after:
            _set_value(found, at, before, after)
        return
    gone = [index for name, index in old.items() if name not in new]
    come = [index for name, index in new.items() if name not in old]
    if gone or come:
        inserted = [[index, after[index]] for index in come]
        found.forward.append({"path": at[1], "remove": gone, "insert": inserted})
        restored = [[index, before[index]] for index in gone]
        found.inverse.append({"path": at[0], "remove": come, "insert": restored})
    for name, index in new.items():
        if name in old and before[old[name]] is not after[index]:
            paths = (f"{at[0]}.{old[name]}", f"{at[1]}.{index}")
            _compare(before[old[name]], after[index], paths, found)


def _side_by_side(before: list[Any], after: list[Any]) -> bool:
    """Whether each element has stayed at its place."""
    return len(before) == len(after) and all(
        old is new or _id_of(old) == _id_of(new) for old, new in zip(before, after, strict=True)
    )


def _id_of(item: Any) -> Any:
    return item.get("id") if isinstance(item, dict) else None


def _names(items: list[Any]) -> dict[Any, int] | None:
    """Elements by id, where each has one of its own."""
    if not all(isinstance(item, dict) and "id" in item for item in items):
        return None
    names = {item["id"]: index for index, item in enumerate(items)}
    return names if len(names) == len(items) else None


def apply(content: Content, changes: Sequence[Change]) -> Content:
    """The content after the changes; what they do not touch is shared."""
    root: dict[str, Any] = {TRACKS: content.tracks, SEGMENTS: content.segments}
    copied: dict[tuple[str, ...], Any] = {}
    for change in changes:
        *way, last = _keys(change["path"])
        if not way:
            root[last] = _changed(root[last], change)
            continue
        parent = _copied(root, tuple(way), copied)
        key = int(last) if isinstance(parent, list) else last
        parent[key] = _changed(parent[key], change)
    return Content(tracks=root[TRACKS], segments=root[SEGMENTS])


def _copied(root: dict[str, Any], way: tuple[str, ...], copied: dict[tuple[str, ...], Any]) -> Any:
    """The container at the end of the way, all on the way copied once."""
    if not way:
        return root
    if way not in copied:
        parent = _copied(root, way[:-1], copied)
        key = int(way[-1]) if isinstance(parent, list) else way[-1]
        parent[key] = copied[way] = parent[key].copy()
    return copied[way]


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
    whole = _whole(before, changes)
    for path in whole:
        if not path.startswith(_prefixes(whole)):
            update.setdefault("$set", {})[path] = _value_at(after, path)
    written = _prefixes(whole)
    for change in changes:
        if change["path"] not in whole and not change["path"].startswith(written):
            for operator, path, value in _targeted(change, before):
                update.setdefault(operator, {})[path] = value
    return update


def _prefixes(arrays: set[str]) -> tuple[str, ...]:
    """What the paths into any of the arrays begin with."""
    return tuple(f"{array}." for array in arrays)


def _whole(before: Content, changes: Sequence[Change]) -> set[str]:
    """The arrays that are written whole: changed in two ways that conflict, or in many places."""
    in_places = Counter(_array_around(change["path"]) for change in changes)
    crowded = {array for array, count in in_places.items() if array and count > MAX_TARGETED}
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


def _array_around(path: str) -> str:
    """The array of clips or words that the path leads into, if it does."""
    depth = 3 if path.startswith(TRACKS) else 4
    keys = path.split(".", depth)
    return ".".join(keys[:depth]) if len(keys) > depth else ""


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
