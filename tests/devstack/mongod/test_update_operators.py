"""Update operators, each against the document MongoDB would leave behind."""

from datetime import datetime
from typing import Any

import pytest
from bson import Decimal128, Timestamp
from pymongo import ReturnDocument
from pymongo.collection import Collection
from pymongo.errors import OperationFailure

Document = dict[str, Any]


def apply(
    clips: Collection[Document], before: Document, update: Any, *, query: Any = None, **options: Any
) -> Document:
    """What an update makes of one document, without its id."""
    clips.delete_many({})
    clips.insert_one({"_id": 1, **before})
    after = clips.find_one_and_update(
        {"_id": 1, **(query or {})}, update, return_document=ReturnDocument.AFTER, **options
    )
    assert after is not None
    del after["_id"]
    return after


@pytest.mark.parametrize(
    ("before", "update", "after"),
    [
        ({"a": {"b": 1}}, {"$set": {"a.c": 2}}, {"a": {"b": 1, "c": 2}}),
        ({"a": [1]}, {"$set": {"a.2": 3}}, {"a": [1, None, 3]}),
        ({"a": [{"b": 1}]}, {"$set": {"a.0.b": 2}}, {"a": [{"b": 2}]}),
        ({"a": 1, "b": {"c": 1}}, {"$unset": {"a": "", "b.c": ""}}, {"b": {}}),
        ({"a": [1, 2]}, {"$unset": {"a.0": ""}}, {"a": [None, 2]}),
        ({"a": 1}, {"$unset": {"a.b.c": ""}}, {"a": 1}),
        ({"n": 1}, {"$inc": {"n": 2, "m": -1}}, {"n": 3, "m": -1}),
        ({"n": 2.5}, {"$mul": {"n": 2, "m": 3}}, {"n": 5.0, "m": 0}),
        ({"a": 5, "b": 5}, {"$min": {"a": 3, "c": 1}, "$max": {"b": 9}}, {"a": 3, "b": 9, "c": 1}),
        ({"a": 5}, {"$max": {"a": 3}}, {"a": 5}),
        ({"a": 1}, {"$rename": {"a": "b.c", "x": "y"}}, {"b": {"c": 1}}),
        ({"f": 0b1100}, {"$bit": {"f": {"and": 0b0110, "or": 0b0001}}}, {"f": 0b0101}),
        ({"a": 1}, {"$setOnInsert": {"a": 9}}, {"a": 1}),
        ({"a": 1}, {"$set": {}}, {"a": 1}),
    ],
)
def test_fields(
    clips: Collection[Document], before: Document, update: Document, after: Document
) -> None:
    assert apply(clips, before, update) == after


@pytest.mark.parametrize(
    ("before", "update", "after"),
    [
        ({}, {"$push": {"a.b": 1}}, {"a": {"b": [1]}}),
        ({"a": [1]}, {"$push": {"a": [2, 3]}}, {"a": [1, [2, 3]]}),
        ({"a": [1]}, {"$push": {"a": {"$each": [2, 3]}}}, {"a": [1, 2, 3]}),
        ({"a": [1, 2]}, {"$push": {"a": {"$each": [9], "$position": 0}}}, {"a": [9, 1, 2]}),
        ({"a": [1, 2]}, {"$push": {"a": {"$each": [9], "$position": -1}}}, {"a": [1, 9, 2]}),
        ({"a": [1, 2]}, {"$push": {"a": {"$each": [3], "$slice": -2}}}, {"a": [2, 3]}),
        ({"a": [1, 2]}, {"$push": {"a": {"$each": [3], "$slice": 2}}}, {"a": [1, 2]}),
        ({"a": [1, 2]}, {"$push": {"a": {"$each": [], "$slice": 0}}}, {"a": []}),
        ({"a": [3, 1]}, {"$push": {"a": {"$each": [2], "$sort": -1}}}, {"a": [3, 2, 1]}),
        (
            {"a": [{"s": 5}, {"s": 1}]},
            {"$push": {"a": {"$each": [{"s": 3}], "$sort": {"s": 1}, "$slice": 2}}},
            {"a": [{"s": 1}, {"s": 3}]},
        ),
        ({"a": [1]}, {"$addToSet": {"a": 1, "b": 1}}, {"a": [1], "b": [1]}),
        ({"a": [1]}, {"$addToSet": {"a": {"$each": [1, 2, 2]}}}, {"a": [1, 2]}),
        ({"a": [{"x": 1}]}, {"$addToSet": {"a": {"x": 1}}}, {"a": [{"x": 1}]}),
        ({"a": [1, 2, 3]}, {"$pop": {"a": 1}}, {"a": [1, 2]}),
        ({"a": [1, 2, 3]}, {"$pop": {"a": -1, "b": 1}}, {"a": [2, 3]}),
        ({"a": [1, 2, 1]}, {"$pull": {"a": 1}}, {"a": [2]}),
        ({"a": [1, 5, 9]}, {"$pull": {"a": {"$gte": 5}}}, {"a": [1]}),
        (
            {"a": [{"id": 1, "z": 1}, {"id": 2}]},
            {"$pull": {"a": {"id": 1}, "missing": 1}},
            {"a": [{"id": 2}]},
        ),
        ({"a": [1, 2, 3]}, {"$pullAll": {"a": [1, 3]}}, {"a": [2]}),
    ],
)
def test_arrays(
    clips: Collection[Document], before: Document, update: Document, after: Document
) -> None:
    assert apply(clips, before, update) == after


TRACKS = {
    "tracks": [
        {"id": "t1", "clips": [{"id": "a", "ms": 1}, {"id": "b", "ms": 2}]},
        {"id": "t2", "clips": [{"id": "c", "ms": 3}]},
    ]
}


def lengths(document: Document) -> list[list[int]]:
    return [[clip["ms"] for clip in track["clips"]] for track in document["tracks"]]


def test_the_positional_operator_follows_a_dotted_condition(clips: Collection[Document]) -> None:
    after = apply(
        clips,
        TRACKS,
        {"$push": {"tracks.$.clips": {"ms": 4}}, "$set": {"tracks.$.name": "B"}},
        query={"tracks.id": "t2"},
    )
    assert lengths(after) == [[1, 2], [3, 4]]
    assert [t.get("name") for t in after["tracks"]] == [None, "B"]


def test_the_positional_operator_follows_elem_match(clips: Collection[Document]) -> None:
    after = apply(
        clips,
        {"grades": [{"v": 80}, {"v": 90, "ok": 1}, {"v": 90, "ok": 2}]},
        {"$set": {"grades.$.v": 0}},
        query={"grades": {"$elemMatch": {"v": 90, "ok": {"$gt": 1}}}},
    )
    assert [g["v"] for g in after["grades"]] == [80, 90, 0]


def test_the_positional_operator_follows_a_plain_value(clips: Collection[Document]) -> None:
    assert apply(clips, {"a": [1, 2, 2]}, {"$inc": {"a.$": 5}}, query={"a": 2}) == {"a": [1, 7, 2]}


def test_array_filters_reach_nested_elements(clips: Collection[Document]) -> None:
    after = apply(
        clips,
        TRACKS,
        {"$inc": {"tracks.$[track].clips.$[clip].ms": 100}},
        array_filters=[{"track.id": {"$in": ["t1", "t2"]}}, {"clip.ms": {"$gte": 2}}],
    )
    assert lengths(after) == [[1, 102], [103]]


def test_the_all_positional_operator_reaches_every_element(clips: Collection[Document]) -> None:
    after = apply(clips, TRACKS, {"$set": {"tracks.$[].clips.$[].ms": 0}})
    assert lengths(after) == [[0, 0], [0]]


def test_array_filters_in_update_many(clips: Collection[Document]) -> None:
    clips.insert_many([{"_id": i, "a": [i, 10]} for i in range(3)])
    result = clips.update_many({}, {"$set": {"a.$[x]": -1}}, array_filters=[{"x": {"$lt": 2}}])
    assert (result.matched_count, result.modified_count) == (3, 2)
    assert [d["a"] for d in clips.find()] == [[-1, 10], [-1, 10], [2, 10]]


def test_current_date(clips: Collection[Document]) -> None:
    after = apply(clips, {}, {"$currentDate": {"at": True, "ts": {"$type": "timestamp"}}})
    assert isinstance(after["at"], datetime)
    assert isinstance(after["ts"], Timestamp)


def test_decimals_add_exactly(clips: Collection[Document]) -> None:
    after = apply(clips, {"n": Decimal128("0.1")}, {"$inc": {"n": Decimal128("0.2")}})
    assert after == {"n": Decimal128("0.3")}


def test_a_pipeline_computes_from_the_document(clips: Collection[Document]) -> None:
    update = [{"$set": {"version": {"$add": ["$version", 1]}, "previous": "$version"}}]
    assert apply(clips, {"version": 4}, update) == {"version": 5, "previous": 4}


@pytest.mark.parametrize(
    ("before", "update", "code"),
    [
        ({"n": "x"}, {"$inc": {"n": 1}}, 14),
        ({"n": 1}, {"$inc": {"n": "x"}}, 14),
        ({"n": 2**62}, {"$mul": {"n": 4}}, 2),
        ({"a": 1}, {"$push": {"a": 1}}, 2),
        ({"a": 1}, {"$addToSet": {"a": 1}}, 2),
        ({"a": 1}, {"$pop": {"a": 1}}, 14),
        ({"a": 1}, {"$set": {"a.b": 1}}, 28),
        ({"a": None}, {"$set": {"a.b": 1}}, 28),
        ({"a": [1]}, {"$set": {"a.b": 1}}, 28),
        ({}, {"$set": {"a": 1, "a.b": 1}}, 40),
        ({}, {"$set": {"a": 1}, "$inc": {"a": 1}}, 40),
        ({}, {"$set": {"a..b": 1}}, 56),
        ({}, {"$frobnicate": {"a": 1}}, 9),
        ({}, {"$set": 5}, 9),
        ({"a": [1]}, {"$set": {"a.$": 1}}, 2),
        ({"a": [1]}, {"$set": {"a.$[x]": 1}}, 2),
        ({"a": 1}, {"$set": {"a.$[]": 1}}, 2),
        ({"a": []}, {"$push": {"a": {"$each": [], "$weird": 1}}}, 2),
    ],
)
def test_errors(clips: Collection[Document], before: Document, update: Document, code: int) -> None:
    with pytest.raises(OperationFailure) as failure:
        apply(clips, before, update)
    assert failure.value.code == code
    assert clips.find_one({}, {"_id": 0}) == before


def test_an_unused_array_filter_is_an_error(clips: Collection[Document]) -> None:
    with pytest.raises(OperationFailure) as failure:
        apply(clips, {"a": [1]}, {"$set": {"a": []}}, array_filters=[{"x": 1}])
    assert failure.value.code == 9


def test_a_replacement_cannot_be_multi(clips: Collection[Document]) -> None:
    statement = {"q": {}, "u": {"a": 1}, "multi": True}
    reply = clips.database.command("update", clips.name, updates=[statement])
    assert [error["code"] for error in reply["writeErrors"]] == [9]
