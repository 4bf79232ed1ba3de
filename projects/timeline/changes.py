"""What an edit has changed: found by comparison, applied, and written for MongoDB and clients.

A change sets the value at a path, or takes elements out of an array and puts others in. It is a
plain dict that BSON can store: the inverse changes of an edit are its step on the undo stack. All
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

    def add_value(self, paths: "Paths", before: Any, after: Any) -> None:
        """Add that a value is replaced."""
        self.forward.append({"path": paths[1], "value": after})
        self.inverse.append({"path": paths[0], "value": before})


def diff_contents(before: Content, after: Content, moved: Container[int] = ()) -> ChangeSet:
    """Return the changes that lead from ``before`` to ``after``, and those that lead back.

    Clips whose ``id()`` is in ``moved`` are known to differ only in where they begin.
    """
    changes = ChangeSet(moved=moved)
    _compare(before.tracks, after.tracks, (TRACKS, TRACKS), changes)
    _compare(before.segments, after.segments, (SEGMENTS, SEGMENTS), changes)
    if before.captions_style != after.captions_style:
        paths = (CAPTIONS_STYLE, CAPTIONS_STYLE)
        changes.add_value(paths, before.captions_style, after.captions_style)
    return changes


Paths = tuple[str, str]
"""The path of a value in the old content, and in the new one."""


def _compare(before: Any, after: Any, paths: Paths, changes: ChangeSet) -> None:
    if isinstance(before, dict) and isinstance(after, dict) and list(before) == list(after):
        _compare_fields(before, after, paths, changes)
    elif isinstance(before, list) and isinstance(after, list):
        if _have_same_ids(before, after):
            indexes = compress(range(len(after)), map(is_not, before, after))
            pairs = [(index, index) for index in indexes]
            _compare_elements(before, after, pairs, paths, changes)
        else:
            _compare_arrays(before, after, paths, changes)
    elif type(before) is not type(after) or before != after:
        changes.add_value(paths, before, after)


def _compare_fields(before: Any, after: Any, paths: Paths, changes: ChangeSet) -> None:
    for key, old, new in zip(after, before.values(), after.values(), strict=True):
        if old is new:
            continue
        field_paths = (f"{paths[0]}.{key}", f"{paths[1]}.{key}")
        if type(old) is type(new) is int:
            if old != new:
                changes.add_value(field_paths, old, new)
        else:
            _compare(old, new, field_paths, changes)


def _compare_arrays(before: list[Any], after: list[Any], paths: Paths, changes: ChangeSet) -> None:
    """Compare arrays of which elements were added, removed or reordered."""
    old, new = _index_by_id(before), _index_by_id(after)
    if old is None or new is None or not _have_same_order(old, new):
        if before != after:
            changes.add_value(paths, before, after)
        return
    removed = sorted([old[name] for name in old.keys() - new.keys()])
    added = sorted([new[name] for name in new.keys() - old.keys()])
    if removed or added:
        inserted = [[index, after[index]] for index in added]
        changes.forward.append({"path": paths[1], "remove": removed, "insert": inserted})
        restored = [[index, before[index]] for index in removed]
        changes.inverse.append({"path": paths[0], "remove": added, "insert": restored})
    stayed = [(old[name], index) for name, index in new.items() if name in old]
    pairs = [(was, index) for was, index in stayed if before[was] is not after[index]]
    _compare_elements(before, after, pairs, paths, changes)


def _have_same_order(old: dict[Any, int], new: dict[Any, int]) -> bool:
    """Return True if the ids that are in both come in the same order."""
    removed, added = old.keys() - new.keys(), new.keys() - old.keys()
    return [n for n in old if n not in removed] == [n for n in new if n not in added]


def _compare_elements(
    before: list[Any],
    after: list[Any],
    pairs: Iterable[tuple[int, int]],
    paths: Paths,
    changes: ChangeSet,
) -> None:
    """Compare the elements at pairs of indexes, before and after."""
    moved = changes.moved
    for old_index, index in pairs:
        old, new = before[old_index], after[index]
        element_paths = (f"{paths[0]}.{old_index}", f"{paths[1]}.{index}")
        if id(new) in moved:
            start_paths = (f"{element_paths[0]}.start_ms", f"{element_paths[1]}.start_ms")
            changes.add_value(start_paths, old["start_ms"], new["start_ms"])
        else:
            _compare(old, new, element_paths, changes)


def _have_same_ids(before: list[Any], after: list[Any]) -> bool:
    """Return True if each element is at its old index."""
    return len(before) == len(after) and all(
        _id_of(before[index]) == _id_of(after[index])
        for index in compress(range(len(after)), map(is_not, before, after))
    )


def _id_of(item: Any) -> Any:
    return item.get("id") if isinstance(item, dict) else None


def _index_by_id(items: list[Any]) -> dict[Any, int] | None:
    """Return the indexes of elements by id; None if not each has an id of its own."""
    try:
        ids = [item["id"] for item in items]
    except (TypeError, KeyError, IndexError):
        return None
    indexes = dict(zip(ids, range(len(ids)), strict=True))
    return indexes if len(indexes) == len(ids) else None


def apply_changes(content: Content, changes: Sequence[Change]) -> Content:
    """Return the content after the changes; it shares what they leave alone."""
    root: dict[str, Any] = {
        TRACKS: content.tracks,
        SEGMENTS: content.segments,
        CAPTIONS_STYLE: content.captions_style,
    }
    copies: dict[str, Any] = {}
    for change in changes:
        path = change["path"]
        if path in root:
            root[path] = _apply_change(root[path], change)
        else:
            parent, key = _copy_parent(root, path, copies)
            parent[key] = _apply_change(parent[key], change)
    return Content(root[TRACKS], root[SEGMENTS], root[CAPTIONS_STYLE])


def _copy_parent(root: dict[str, Any], path: str, copies: dict[str, Any]) -> tuple[Any, int | str]:
    """Return the container of a value, and its key there; all on the way is copied once."""
    if path in root:
        return root, path
    parent_path, _, last = path.rpartition(".")
    parent = copies.get(parent_path)
    if parent is None:
        grandparent, key = _copy_parent(root, parent_path, copies)
        parent = copies[parent_path] = grandparent[key] = grandparent[key].copy()
    return parent, int(last) if isinstance(parent, list) else last


def _apply_change(old: Any, change: Change) -> Any:
    if "value" in change:
        return change["value"]
    removed = set(change["remove"])
    items = [item for index, item in enumerate(old) if index not in removed]
    for index, item in change["insert"]:
        items.insert(index, item)
    return items


def build_update(
    before: Content, after: Content, changes: Sequence[Change]
) -> dict[str, dict[str, Any]]:
    """Return the MongoDB update: as little as its rules about conflicting paths allow."""
    update: dict[str, dict[str, Any]] = {}
    by_array = _group_by_array(changes)
    whole = _choose_whole_arrays(before, changes, by_array)
    written = tuple(f"{array}." for array in whole)
    for path in whole:
        if not path.startswith(written):
            update.setdefault("$set", {})[path] = _value_at(after, path)
    for array, in_array in by_array:
        if array in whole:
            continue
        for change in in_array:
            if change["path"] not in whole and not change["path"].startswith(written):
                for operator, path, value in _operators(change, before):
                    update.setdefault(operator, {})[path] = value
    return update


def _choose_whole_arrays(
    before: Content, changes: Sequence[Change], by_array: Iterable[tuple[str, list[Change]]]
) -> set[str]:
    """Return the arrays to write whole: changed in ways that conflict, or in many places."""
    counts: Counter[str] = Counter()
    for array, in_array in by_array:
        counts[array] += len(in_array)
    crowded = {array for array, count in counts.items() if array and count > MAX_TARGETED}
    mixed = {
        change["path"]
        for change in changes
        if "value" not in change
        and not _appends(change, before)
        and not (_is_run(change) and _is_only_change(change["path"], changes))
    }
    return crowded | mixed


def _is_only_change(path: str, changes: Sequence[Change]) -> bool:
    """Return True if no element of the array is changed itself."""
    return not any(change["path"].startswith(f"{path}.") for change in changes)


_ARRAY = re.compile(r"(?:tracks\.\d+\.clips|transcript\.segments\.\d+\.words)\.")


def _group_by_array(changes: Sequence[Change]) -> list[tuple[str, list[Change]]]:
    """Group consecutive changes within one array of clips or words; others have no name."""
    groups: list[tuple[str, list[Change]]] = []
    prefix = ""
    for change in changes:
        if not (prefix and change["path"].startswith(prefix)):
            array = _ARRAY.match(change["path"])
            prefix = array[0] if array else ""
            groups.append((prefix[:-1], []))
        groups[-1][1].append(change)
    return groups


def _is_run(change: Change) -> bool:
    """Return True if one operator can do it: elements removed, or inserted beside each other."""
    if change["remove"]:
        return not change["insert"]
    indexes = [index for index, _ in change["insert"]]
    return indexes == [*range(indexes[0], indexes[0] + len(indexes))]


def _appends(change: Change, before: Content) -> bool:
    if change["remove"] or not _is_run(change):
        return False
    return bool(change["insert"][0][0] == len(_value_at(before, change["path"])))


def _operators(change: Change, before: Content) -> Iterator[tuple[str, str, Any]]:
    """Yield operator, field and argument for one change."""
    path = change["path"]
    if "value" in change:
        yield "$set", path, change["value"]
    elif change["remove"]:
        array = _value_at(before, path)
        yield "$pull", path, {"id": {"$in": [array[index]["id"] for index in change["remove"]]}}
    elif _appends(change, before):
        for index, item in change["insert"]:
            yield "$set", f"{path}.{index}", item  # Unlike $push, beside other fields of the array.
    else:
        items = [item for _, item in change["insert"]]
        yield "$push", path, {"$each": items, "$position": change["insert"][0][0]}


def _value_at(content: Content, path: str) -> Any:
    root = TRACKS if path.startswith(TRACKS) else SEGMENTS
    value: Any = content.tracks if root == TRACKS else content.segments
    for key in path[len(root) + 1 :].split(".") if path != root else ():
        value = value[int(key)] if isinstance(value, list) else value[key]
    return value


def as_json_patch(changes: Sequence[Change]) -> list[dict[str, Any]]:
    """Return the changes as RFC 6902 writes them."""
    patch: list[dict[str, Any]] = []
    for change in changes:
        pointer = "/" + change["path"].replace(".", "/")
        if "value" in change:
            patch.append({"op": "replace", "path": pointer, "value": change["value"]})
            continue
        patch += [
            {"op": "remove", "path": f"{pointer}/{index}"} for index in reversed(change["remove"])
        ]
        patch += [
            {"op": "add", "path": f"{pointer}/{index}", "value": item}
            for index, item in change["insert"]
        ]
    return patch
