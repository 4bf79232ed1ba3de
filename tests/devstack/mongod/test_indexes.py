"""Indexes: what they promise, how they are managed, and that lookups through them are right."""

from typing import Any

import pytest
from pymongo import ASCENDING, DESCENDING, IndexModel
from pymongo.collection import Collection
from pymongo.errors import BulkWriteError, DuplicateKeyError, OperationFailure

Document = dict[str, Any]


def test_a_duplicate_key_names_the_key(clips: Collection[Document]) -> None:
    clips.create_index("project_id", unique=True)
    clips.insert_one({"project_id": "p1"})
    with pytest.raises(DuplicateKeyError) as failure:
        clips.insert_one({"project_id": "p1"})
    assert failure.value.code == 11000
    details = failure.value.details
    assert details is not None
    assert details["keyPattern"] == {"project_id": 1}
    assert details["keyValue"] == {"project_id": "p1"}
    assert "E11000 duplicate key error" in str(failure.value)
    assert clips.count_documents({}) == 1


def test_a_duplicate_id_is_refused(clips: Collection[Document]) -> None:
    clips.insert_one({"_id": "x"})
    with pytest.raises(DuplicateKeyError) as failure:
        clips.insert_one({"_id": "x"})
    assert failure.value.details is not None
    assert failure.value.details["keyValue"] == {"_id": "x"}


def test_updates_and_upserts_respect_a_unique_index(clips: Collection[Document]) -> None:
    clips.create_index("slug", unique=True)
    clips.insert_many([{"_id": 1, "slug": "a"}, {"_id": 2, "slug": "b"}])
    with pytest.raises(DuplicateKeyError):
        clips.update_one({"_id": 2}, {"$set": {"slug": "a"}})
    with pytest.raises(DuplicateKeyError):
        clips.find_one_and_update({"_id": 2}, {"$set": {"slug": "a"}})
    with pytest.raises(DuplicateKeyError):
        clips.replace_one({"_id": 3}, {"slug": "a"}, upsert=True)
    assert [d["slug"] for d in clips.find(sort=[("_id", 1)])] == ["a", "b"]
    clips.update_one({"_id": 2}, {"$set": {"slug": "b", "n": 1}})
    clips.delete_one({"_id": 1})
    clips.update_one({"_id": 2}, {"$set": {"slug": "a"}})
    assert clips.distinct("slug") == ["a"]


def test_a_compound_unique_index(clips: Collection[Document]) -> None:
    clips.create_index([("project", ASCENDING), ("version", DESCENDING)], unique=True)
    clips.insert_many([{"project": p, "version": v} for p in "ab" for v in (1, 2)])
    with pytest.raises(BulkWriteError):
        clips.insert_many([{"project": "a", "version": 2}])
    assert clips.count_documents({"project": "a", "version": 2}) == 1


def test_a_unique_index_counts_missing_fields_as_null(clips: Collection[Document]) -> None:
    clips.create_index("email", unique=True)
    clips.insert_one({"_id": 1})
    with pytest.raises(DuplicateKeyError):
        clips.insert_one({"_id": 2, "email": None})


def test_a_sparse_unique_index_leaves_missing_fields_alone(clips: Collection[Document]) -> None:
    clips.create_index("email", unique=True, sparse=True)
    clips.insert_many([{"_id": 1}, {"_id": 2}, {"_id": 3, "email": "x"}])
    with pytest.raises(DuplicateKeyError):
        clips.insert_one({"email": "x"})


def test_a_partial_unique_index(clips: Collection[Document]) -> None:
    clips.create_index("slug", unique=True, partialFilterExpression={"live": True})
    clips.insert_many([{"slug": "a"}, {"slug": "a"}, {"slug": "a", "live": True}])
    with pytest.raises(DuplicateKeyError):
        clips.insert_one({"slug": "a", "live": True})
    assert clips.count_documents({"slug": "a"}) == 3


def test_elements_of_arrays_are_indexed_singly(clips: Collection[Document]) -> None:
    clips.create_index("tags", unique=True)
    clips.insert_one({"_id": 1, "tags": ["a", "b", "a"]})
    with pytest.raises(DuplicateKeyError):
        clips.insert_one({"_id": 2, "tags": "b"})
    found = clips.find_one({"tags": "a"})
    assert found is not None
    assert found["_id"] == 1


def test_an_index_on_existing_duplicates_is_refused(clips: Collection[Document]) -> None:
    clips.insert_many([{"a": 1}, {"a": 1}])
    with pytest.raises(DuplicateKeyError):
        clips.create_index("a", unique=True)
    assert list(clips.index_information()) == ["_id_"]


def test_lookups_follow_every_change_of_the_indexed_field(clips: Collection[Document]) -> None:
    clips.create_index([("user", 1), ("project", 1)])
    clips.insert_many([{"_id": i, "user": "u", "project": i % 2, "n": i} for i in range(4)])
    assert [d["_id"] for d in clips.find({"user": "u", "project": 1})] == [1, 3]
    clips.update_one({"_id": 1}, {"$set": {"project": 5}})
    clips.delete_one({"_id": 3})
    assert clips.count_documents({"user": "u", "project": 1}) == 0
    assert [d["_id"] for d in clips.find({"user": "u", "project": 5.0})] == [1]
    assert [d["_id"] for d in clips.find({"user": "u", "project": 0, "n": 2})] == [2]


def test_listing_and_dropping(clips: Collection[Document]) -> None:
    clips.create_indexes(
        [IndexModel([("a", 1), ("b", -1)], name="ab", unique=True), IndexModel("c")]
    )
    information = clips.index_information()
    assert information["ab"]["key"] == [("a", 1), ("b", -1)]
    assert information["ab"]["unique"] is True
    assert set(information) == {"_id_", "ab", "c_1"}
    clips.drop_index("ab")
    assert set(clips.index_information()) == {"_id_", "c_1"}
    clips.drop_index([("c", 1)])
    clips.drop_indexes()
    assert set(clips.index_information()) == {"_id_"}
    with pytest.raises(OperationFailure) as failure:
        clips.drop_index("ab")
    assert failure.value.code == 27


def test_creating_the_same_index_again_is_nothing(clips: Collection[Document]) -> None:
    assert clips.create_index("a", unique=True) == clips.create_index("a", unique=True)
    assert len(clips.index_information()) == 2


@pytest.mark.parametrize(
    ("key", "options", "code"),
    [
        ("a", {"name": "a_1", "unique": True}, 86),
        ("b", {"name": "a_1"}, 86),
        ("a", {"name": "z"}, 85),
    ],
)
def test_conflicting_indexes(
    clips: Collection[Document], key: str, options: Document, code: int
) -> None:
    clips.create_index("a")
    with pytest.raises(OperationFailure) as failure:
        clips.create_index(key, **options)
    assert failure.value.code == code


def test_a_missing_collection_has_no_indexes(clips: Collection[Document]) -> None:
    assert list(clips.list_indexes()) == []
