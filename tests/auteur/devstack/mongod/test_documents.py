"""Documents in and out: types, queries, projections and updates, as MongoDB's manual has them."""

import uuid
from datetime import UTC, datetime
from typing import Any

import pytest
from bson import Binary, Int64, ObjectId, encode
from bson.binary import UuidRepresentation
from pymongo import DeleteOne, InsertOne, UpdateOne, WriteConcern
from pymongo.collection import Collection
from pymongo.errors import BulkWriteError, DuplicateKeyError, OperationFailure

Document = dict[str, Any]

# What pymongo returns for a time, unless told otherwise.
NAIVE_UTC = datetime(2024, 5, 6, 7, 8, 9, 123000)  # noqa: DTZ001


def test_an_inserted_document_is_found_with_a_generated_id(clips: Collection[Document]) -> None:
    clips.database.command("insert", clips.name, documents=[{"name": "intro"}])
    stored = clips.find_one({"name": "intro"})
    assert stored is not None
    assert list(stored) == ["_id", "name"]
    assert isinstance(stored["_id"], ObjectId)


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        7,
        Int64(7),
        -1.5,
        "naïve 🎬",
        b"\x00\x01",
        ObjectId(),
        NAIVE_UTC,
        Binary.from_uuid(uuid.uuid4(), UuidRepresentation.STANDARD),
        {"nested": {"list": [1, [2, {"three": 3}], []]}, "empty": {}},
    ],
    ids=lambda value: type(value).__name__,
)
def test_bson_types_round_trip_and_are_found(clips: Collection[Document], value: object) -> None:
    clips.insert_many([{"_id": 1, "value": value}, {"_id": 2, "value": "other"}])
    stored = clips.find_one({"value": value})
    assert stored is not None
    assert encode(stored) == encode({"_id": 1, "value": value})


def test_a_time_is_found_to_the_millisecond(clips: Collection[Document]) -> None:
    moment = datetime(2024, 5, 6, 7, 8, 9, 123987, tzinfo=UTC)
    clips.insert_one({"_id": 1, "at": moment})
    assert clips.find_one({"at": {"$lte": moment}}) == {"_id": 1, "at": NAIVE_UTC}
    assert clips.count_documents({"at": {"$gte": moment.replace(microsecond=0)}}) == 1


def test_a_batch_tells_its_errors(clips: Collection[Document]) -> None:
    with pytest.raises(BulkWriteError) as failure:
        clips.insert_many([{"_id": i} for i in (1, 1, 2, 2, 3)], ordered=False)
    errors = failure.value.details["writeErrors"]
    assert [(error["index"], error["code"]) for error in errors] == [(1, 11000), (3, 11000)]
    with pytest.raises(BulkWriteError):
        clips.insert_many([{"_id": 4}, {"_id": 4}, {"_id": 5}])
    assert [d["_id"] for d in clips.find()] == [1, 2, 3, 4]


def test_update_counts_tell_matched_from_modified(clips: Collection[Document]) -> None:
    clips.insert_many([{"_id": i, "muted": i == 0} for i in range(3)])
    result = clips.update_many({}, {"$set": {"muted": True}})
    assert (result.matched_count, result.modified_count) == (3, 2)
    assert clips.update_one({"_id": 9}, {"$set": {"muted": True}}).matched_count == 0
    clips.replace_one({"_id": 0}, {"c": 3})
    assert list(clips.find()) == [
        {"_id": 0, "c": 3},
        {"_id": 1, "muted": True},
        {"_id": 2, "muted": True},
    ]


def test_delete_one_and_many(clips: Collection[Document]) -> None:
    clips.insert_many([{"_id": i, "even": i % 2 == 0} for i in range(6)])
    assert clips.delete_one({"even": True}).deleted_count == 1
    assert clips.delete_many({"even": True}).deleted_count == 2
    assert [d["_id"] for d in clips.find()] == [1, 3, 5]


def test_a_bulk_write_runs_its_operations_in_order(clips: Collection[Document]) -> None:
    clips.bulk_write(
        [
            InsertOne({"_id": 1, "n": 1}),
            UpdateOne({"_id": 1}, {"$inc": {"n": 5}}),
            InsertOne({"_id": 2, "n": 0}),
            DeleteOne({"n": 0}),
        ]
    )
    assert list(clips.find()) == [{"_id": 1, "n": 6}]


def test_an_unacknowledged_write_arrives_without_a_reply(clips: Collection[Document]) -> None:
    clips.with_options(write_concern=WriteConcern(w=0)).insert_one({"_id": 0})
    clips.insert_one({"_id": 1})
    assert clips.find_one({"_id": 1}) is not None


def test_ids_stay_and_are_equal_across_number_types(clips: Collection[Document]) -> None:
    clips.insert_many([{"_id": 1}, {"_id": True}])
    with pytest.raises(DuplicateKeyError):
        clips.insert_one({"_id": 1.0})
    with pytest.raises(OperationFailure) as failure:
        clips.update_one({"_id": 1}, {"$set": {"_id": 2}})
    assert failure.value.code == 66


def test_a_document_that_grows_beyond_sixteen_mebibytes(clips: Collection[Document]) -> None:
    clips.insert_one({"_id": 1, "blobs": [b"x" * 12_000_000]})
    with pytest.raises(OperationFailure) as failure:
        clips.update_one({"_id": 1}, {"$push": {"blobs": b"x" * 6_000_000}})
    assert failure.value.code in (10334, 17419)
    assert clips.count_documents({"blobs": b"x" * 12_000_000}) == 1


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"n": {"$gt": 1, "$lte": 3}}, [2, 3]),
        ({"n": {"$in": [0, 4, 9]}}, [0, 4]),
        ({"n": {"$nin": [0, 1, 2, 3]}}, [4]),
        ({"$or": [{"n": 0}, {"tags": "even"}]}, [0, 2, 4]),
        ({"$and": [{"n": {"$ne": 0}}, {"tags": "even"}]}, [2, 4]),
        ({"only": {"$exists": True}}, [3]),
        ({"only": None}, [0, 1, 2, 4]),
        ({"parts.b": 2}, [2]),
        ({"parts.1.b": {"$in": [1, 4]}}, [1, 4]),
        ({"name": {"$lt": 5}}, []),
    ],
)
def test_filters(clips: Collection[Document], query: Document, found: list[int]) -> None:
    for n in range(5):
        tags = (["even"] if n % 2 == 0 else []) + (["first"] if n == 0 else [])
        parts = [{"a": 0, "b": 9}, {"a": 1, "b": n}]
        document = {"_id": n, "n": n, "tags": tags, "name": f"clip-{n}", "parts": parts}
        clips.insert_one(document | ({"only": 1} if n == 3 else {}))
    assert [d["_id"] for d in clips.find(query)] == found
    assert clips.count_documents(query) == len(found)


def test_a_window_of_many(clips: Collection[Document]) -> None:
    clips.insert_many([{"_id": i} for i in range(1_500)])
    assert [d["_id"] for d in clips.find()] == list(range(1_500))
    assert [d["_id"] for d in clips.find().skip(7).limit(2)] == [7, 8]
    assert clips.count_documents({"_id": {"$gte": 1_000}}, skip=3, limit=5) == 5
    assert clips.count_documents({"_id": 9_999}) == 0
    assert clips.estimated_document_count() == 1_500


EDL: Document = {
    "_id": 1,
    "version": 3,
    "tracks": [
        {"id": "t1", "clips": [{"id": "a", "ms": 1}, {"id": "b", "ms": 2}]},
        {"id": "t2", "clips": [{"id": "c", "ms": 3}]},
    ],
    "transcript": {"language": "en", "segments": [{"n": n} for n in range(5)]},
}


@pytest.mark.parametrize(
    ("projection", "expected"),
    [
        ({"version": 1}, {"_id": 1, "version": 3}),
        ({"version": 1, "_id": 0}, {"version": 3}),
        ({"tracks": 0, "transcript": 0}, {"_id": 1, "version": 3}),
        ({"tracks.id": 1, "_id": 0}, {"tracks": [{"id": "t1"}, {"id": "t2"}]}),
        (
            {"tracks.clips.ms": 1, "_id": 0},
            {"tracks": [{"clips": [{"ms": 1}, {"ms": 2}]}, {"clips": [{"ms": 3}]}]},
        ),
        (
            {"tracks": 0, "transcript.segments": 0},
            {"_id": 1, "version": 3, "transcript": {"language": "en"}},
        ),
        (
            {"version": 1, "transcript.segments": {"$slice": [1, 2]}},
            {"_id": 1, "version": 3, "transcript": {"segments": [{"n": 1}, {"n": 2}]}},
        ),
        (
            {"tracks": 0, "transcript.segments": {"$slice": -1}},
            {"_id": 1, "version": 3, "transcript": {"language": "en", "segments": [{"n": 4}]}},
        ),
        ({"missing": 1}, {"_id": 1}),
        ({"_id": 1}, {"_id": 1}),
    ],
)
def test_projections(clips: Collection[Document], projection: Document, expected: Document) -> None:
    clips.insert_one(EDL)
    assert clips.find_one({}, projection) == expected


@pytest.mark.parametrize(
    ("projection", "codes"),
    [({"version": 1, "tracks": 0}, (31254,)), ({"tracks": 1, "tracks.id": 1}, (31249,))],
)
def test_projections_that_contradict_themselves(
    clips: Collection[Document], projection: Document, codes: tuple[int]
) -> None:
    with pytest.raises(OperationFailure) as failure:
        clips.find_one({}, projection)
    assert failure.value.code in codes


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
        ({"n": 2.5}, {"$inc": {"n": 2}}, {"n": 4.5}),
        ({"n": Int64(3)}, {"$inc": {"n": 1}}, {"n": Int64(4)}),
        ({"n": 2**31 - 1}, {"$inc": {"n": 1}}, {"n": Int64(2**31)}),
        ({}, {"$push": {"a.b": 1}}, {"a": {"b": [1]}}),
        ({"a": [1]}, {"$push": {"a": [2, 3]}}, {"a": [1, [2, 3]]}),
        ({"a": [1]}, {"$push": {"a": {"$each": [2, 3]}}}, {"a": [1, 2, 3]}),
        ({"a": [1, 2]}, {"$push": {"a": {"$each": [9], "$position": 0}}}, {"a": [9, 1, 2]}),
        ({"a": [1, 2]}, {"$push": {"a": {"$each": [9], "$position": -1}}}, {"a": [1, 9, 2]}),
        ({"a": [1, 2]}, {"$push": {"a": {"$each": [3], "$slice": -2}}}, {"a": [2, 3]}),
        ({"a": [1, 2]}, {"$push": {"a": {"$each": [3], "$slice": 2}}}, {"a": [1, 2]}),
        ({"a": [1, 2]}, {"$push": {"a": {"$each": [], "$slice": 0}}}, {"a": []}),
        ({"a": [1, 2, 3]}, {"$pop": {"a": 1}}, {"a": [1, 2]}),
        ({"a": [1, 2, 3]}, {"$pop": {"a": -1, "b": 1}}, {"a": [2, 3]}),
        ({"a": [1, 2, 1]}, {"$pull": {"a": 1}}, {"a": [2]}),
        ({"a": [1, 5, 9]}, {"$pull": {"a": {"$gte": 5}}}, {"a": [1]}),
        (
            {"a": [{"id": 1, "z": 1}, {"id": 2}, {"id": 3}]},
            {"$pull": {"a": {"id": {"$in": [1, 3]}}, "missing": 1}},
            {"a": [{"id": 2}]},
        ),
    ],
)
def test_updates(
    clips: Collection[Document], before: Document, update: Document, after: Document
) -> None:
    clips.insert_one({"_id": 1, **before})
    clips.update_one({"_id": 1}, update)
    stored = clips.find_one({}, {"_id": 0})
    assert stored is not None
    assert encode(stored) == encode(after)


@pytest.mark.parametrize(
    ("before", "update", "code"),
    [
        ({"n": "x"}, {"$inc": {"n": 1}}, 14),
        ({"n": 2**62}, {"$inc": {"n": 2**62}}, 2),
        ({"a": 1}, {"$push": {"a": 1}}, 2),
        ({"a": 1}, {"$set": {"a.b": 1}}, 28),
        ({"a": None}, {"$set": {"a.b": 1}}, 28),
        ({"a": [1]}, {"$set": {"a.b": 1}}, 28),
        ({}, {"$set": {"a": 1, "a.b": 1}}, 40),
        ({}, {"$set": {"a": 1}, "$inc": {"a": 1}}, 40),
        ({}, {"$set": {"a..b": 1}}, 56),
        ({}, {"$set": 5}, 9),
        ({"n": 1, "name": "x"}, {"$set": {"n": 2}, "$inc": {"name": 1}}, 14),
    ],
)
def test_a_failed_update_leaves_the_document_as_it_was(
    clips: Collection[Document], before: Document, update: Document, code: int
) -> None:
    clips.insert_one({"_id": 1, **before})
    with pytest.raises(OperationFailure) as failure:
        clips.update_one({"_id": 1}, update)
    assert failure.value.code == code
    assert clips.find_one({}, {"_id": 0}) == before
