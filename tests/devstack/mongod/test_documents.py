"""Documents in and out: insert, replace, update, delete, find-and-modify, and their BSON types."""

import uuid
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from bson import Binary, Decimal128, Int64, ObjectId, Regex, encode
from bson.binary import UuidRepresentation
from pymongo import DeleteOne, InsertOne, ReturnDocument, UpdateOne, WriteConcern
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.errors import BulkWriteError, DuplicateKeyError, OperationFailure

Document = dict[str, Any]


# What pymongo returns for a time, unless told otherwise.
NAIVE_UTC = datetime(2024, 5, 6, 7, 8, 9, 123000)  # noqa: DTZ001


def test_an_inserted_document_is_found_with_a_generated_id(clips: Collection[Document]) -> None:
    result = clips.insert_one({"name": "intro"})
    assert isinstance(result.inserted_id, ObjectId)
    assert clips.find_one({"name": "intro"}) == {"_id": result.inserted_id, "name": "intro"}


def test_the_server_generates_an_id_for_a_command_without_one(database: Database[Document]) -> None:
    database.command("insert", "clips", documents=[{"name": "raw"}])
    stored = database["clips"].find_one({"name": "raw"})
    assert stored is not None
    assert list(stored) == ["_id", "name"]
    assert isinstance(stored["_id"], ObjectId)


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        7,
        2**40,
        -1.5,
        "naïve 🎬",
        b"\x00\x01",
        ObjectId(),
        NAIVE_UTC,
        Decimal128(Decimal("19.990")),
        Binary.from_uuid(uuid.uuid4(), UuidRepresentation.STANDARD),
        Regex("^a.*z$", "i"),
        {"nested": {"list": [1, [2, {"three": 3}], []]}, "empty": {}},
    ],
    ids=lambda value: type(value).__name__,
)
def test_bson_types_round_trip(clips: Collection[Document], value: object) -> None:
    clips.insert_one({"_id": 1, "value": value})
    stored = clips.find_one({"_id": 1})
    assert stored is not None
    assert encode(stored) == encode({"_id": 1, "value": value})


def test_a_small_int64_stays_an_int64(clips: Collection[Document]) -> None:
    clips.insert_one({"_id": 1, "version": Int64(3)})
    clips.update_one({"_id": 1}, {"$inc": {"version": 1}})
    stored = clips.find_one({"_id": 1})
    assert stored is not None
    assert isinstance(stored["version"], Int64)
    assert stored["version"] == 4


def test_an_aware_time_comes_back_as_utc_in_milliseconds(clips: Collection[Document]) -> None:
    moment = datetime(2024, 5, 6, 7, 8, 9, 123987, tzinfo=UTC)
    clips.insert_one({"_id": 1, "at": moment})
    assert clips.distinct("at") == [NAIVE_UTC]
    assert clips.count_documents({"at": {"$gte": moment.replace(microsecond=0)}}) == 1


def test_insert_many_reports_each_duplicate_when_unordered(clips: Collection[Document]) -> None:
    with pytest.raises(BulkWriteError) as failure:
        clips.insert_many([{"_id": i} for i in (1, 1, 2, 2, 3)], ordered=False)
    details = failure.value.details
    assert details["nInserted"] == 3
    assert [(e["index"], e["code"]) for e in details["writeErrors"]] == [(1, 11000), (3, 11000)]
    assert clips.count_documents({}) == 3


def test_an_ordered_insert_stops_at_the_first_error(clips: Collection[Document]) -> None:
    with pytest.raises(BulkWriteError):
        clips.insert_many([{"_id": 1}, {"_id": 1}, {"_id": 2}])
    assert clips.distinct("_id") == [1]


def test_update_counts_tell_matched_from_modified(clips: Collection[Document]) -> None:
    clips.insert_many([{"_id": i, "muted": i == 0} for i in range(3)])
    result = clips.update_many({}, {"$set": {"muted": True}})
    assert (result.matched_count, result.modified_count) == (3, 2)
    result = clips.update_one({"_id": 9}, {"$set": {"muted": True}})
    assert (result.matched_count, result.modified_count) == (0, 0)


def test_replace_keeps_the_id_and_nothing_else(clips: Collection[Document]) -> None:
    clips.insert_one({"_id": 1, "a": 1, "b": 2})
    clips.replace_one({"a": 1}, {"c": 3})
    assert list(clips.find()) == [{"_id": 1, "c": 3}]


def test_an_update_keeps_the_order_of_insertion(clips: Collection[Document]) -> None:
    clips.insert_many([{"_id": i} for i in range(3)])
    clips.update_one({"_id": 0}, {"$set": {"touched": True}})
    assert [d["_id"] for d in clips.find()] == [0, 1, 2]


def test_an_upsert_starts_from_the_equalities_of_its_query(clips: Collection[Document]) -> None:
    result = clips.update_one(
        {"owner.id": "u1", "kind": {"$eq": "draft"}, "size": {"$gt": 3}},
        {"$set": {"name": "new"}, "$setOnInsert": {"version": 1}},
        upsert=True,
    )
    assert clips.find_one({}, {"_id": 0}) == {
        "owner": {"id": "u1"},
        "kind": "draft",
        "name": "new",
        "version": 1,
    }
    assert clips.distinct("_id") == [result.upserted_id]
    again = clips.update_one(
        {"owner.id": "u1"}, {"$setOnInsert": {"version": 9}, "$inc": {"n": 1}}, upsert=True
    )
    assert (again.upserted_id, again.modified_count) == (None, 1)
    assert clips.distinct("version") == [1]


def test_a_replacement_upsert_takes_only_the_id_of_its_query(clips: Collection[Document]) -> None:
    clips.replace_one({"_id": "p1", "state": "old"}, {"name": "n"}, upsert=True)
    assert list(clips.find()) == [{"_id": "p1", "name": "n"}]


def test_delete_one_and_many(clips: Collection[Document]) -> None:
    clips.insert_many([{"_id": i, "even": i % 2 == 0} for i in range(6)])
    assert clips.delete_one({"even": True}).deleted_count == 1
    assert clips.delete_many({"even": True}).deleted_count == 2
    assert clips.distinct("_id") == [1, 3, 5]


def test_find_and_modify_returns_the_old_or_the_new_document(clips: Collection[Document]) -> None:
    clips.insert_many([{"_id": i, "rank": -i, "n": 0} for i in range(3)])
    old = clips.find_one_and_update({}, {"$inc": {"n": 1}}, sort=[("rank", 1)])
    assert old == {"_id": 2, "rank": -2, "n": 0}
    new = clips.find_one_and_update(
        {"_id": 2}, {"$inc": {"n": 1}}, {"n": 1, "_id": 0}, return_document=ReturnDocument.AFTER
    )
    assert new == {"n": 2}
    assert clips.find_one_and_update({"_id": 9}, {"$inc": {"n": 1}}) is None
    assert clips.find_one_and_replace({"_id": 0}, {"z": 1}) == {"_id": 0, "rank": 0, "n": 0}
    assert clips.find_one_and_delete({"_id": 0}) == {"_id": 0, "z": 1}
    assert clips.find_one_and_delete({"_id": 0}) is None


def test_find_and_modify_refuses_a_bad_projection_before_it_writes(
    clips: Collection[Document],
) -> None:
    clips.insert_one({"_id": 1, "n": 0})
    with pytest.raises(OperationFailure) as failure:
        clips.find_one_and_update({"_id": 1}, {"$inc": {"n": 1}}, {"a": 1, "b": 0})
    assert failure.value.code == 31254
    assert clips.find_one() == {"_id": 1, "n": 0}


def test_find_and_modify_upserts(clips: Collection[Document]) -> None:
    created = clips.find_one_and_update(
        {"project": "p1"},
        {"$setOnInsert": {"version": 1}},
        upsert=True,
        return_document=ReturnDocument.AFTER,
    )
    assert created is not None
    assert (created["project"], created["version"]) == ("p1", 1)
    before = clips.find_one_and_update({"project": "p2"}, {"$set": {"version": 1}}, upsert=True)
    assert before is None
    assert clips.count_documents({}) == 2


def test_a_bulk_write_runs_its_operations_in_order(clips: Collection[Document]) -> None:
    result = clips.bulk_write(
        [
            InsertOne({"_id": 1, "n": 1}),
            UpdateOne({"_id": 1}, {"$inc": {"n": 5}}),
            UpdateOne({"_id": 2}, {"$set": {"n": 0}}, upsert=True),
            DeleteOne({"n": 0}),
        ]
    )
    assert result.inserted_count == result.modified_count == result.deleted_count == 1
    assert result.upserted_ids == {2: 2}
    assert list(clips.find()) == [{"_id": 1, "n": 6}]


def test_an_unacknowledged_write_arrives_without_a_reply(clips: Collection[Document]) -> None:
    unacknowledged = clips.with_options(write_concern=WriteConcern(w=0))
    for i in range(20):
        unacknowledged.insert_one({"_id": i})
    unacknowledged.insert_one({"_id": 0})
    # Several connections would race; one document read back shows that framing held.
    clips.insert_one({"_id": "acknowledged"})
    assert clips.find_one({"_id": "acknowledged"}) is not None


def test_a_journaled_write_is_accepted(clips: Collection[Document]) -> None:
    clips.with_options(write_concern=WriteConcern(w=1, j=True)).insert_one({"_id": 1})
    assert clips.count_documents({}) == 1


def test_the_id_cannot_be_changed(clips: Collection[Document]) -> None:
    clips.insert_one({"_id": 1})
    with pytest.raises(OperationFailure) as failure:
        clips.update_one({"_id": 1}, {"$set": {"_id": 2}})
    assert failure.value.code == 66
    assert clips.distinct("_id") == [1]


def test_ids_are_equal_across_number_types_but_not_to_booleans(clips: Collection[Document]) -> None:
    clips.insert_many([{"_id": 1}, {"_id": True}])
    with pytest.raises(DuplicateKeyError):
        clips.insert_one({"_id": 1.0})


def test_a_failed_update_leaves_the_document_as_it_was(clips: Collection[Document]) -> None:
    before = {"_id": 1, "n": 1, "name": "x"}
    clips.insert_one(before)
    with pytest.raises(OperationFailure):
        clips.update_one({"_id": 1}, {"$set": {"n": 2}, "$inc": {"name": 1}})
    assert clips.find_one({}) == before
