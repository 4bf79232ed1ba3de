"""The handshake, databases and collections, indexes, and how what is not there is refused."""

from typing import Any

import pytest
from bson import Regex
from pymongo import ASCENDING, DESCENDING, MongoClient
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.errors import BulkWriteError, DuplicateKeyError, OperationFailure

Document = dict[str, Any]


def test_the_handshake_tells_the_limits(client: MongoClient[Document]) -> None:
    for name in ("hello", "isMaster"):
        reply = client.admin.command(name)
        assert reply.get("isWritablePrimary", reply.get("ismaster")) is True
        assert reply["maxBsonObjectSize"] == 16 * 1024 * 1024
        assert reply["maxMessageSizeBytes"] == 48_000_000
        assert "compression" not in reply
    assert client.admin.command("ping") == {"ok": 1.0}
    assert client.server_info()["versionArray"][0] >= 6


def test_databases_and_collections_come_and_go(
    client: MongoClient[Document], database: Database[Document]
) -> None:
    database["clips"].insert_one({"n": 1})
    database["tracks"].create_index("n")
    assert sorted(database.list_collection_names()) == ["clips", "tracks"]
    client.drop_database(database.name)
    assert database.list_collection_names() == []
    assert database["clips"].count_documents({}) == 0


def test_a_duplicate_key_names_the_key(clips: Collection[Document]) -> None:
    clips.create_index("project_id", unique=True)
    clips.insert_one({"_id": "x", "project_id": "p1"})
    for again in ({"_id": "x"}, {"project_id": "p1"}):
        with pytest.raises(DuplicateKeyError) as failure:
            clips.insert_one(dict(again))
        assert failure.value.code == 11000
        details = failure.value.details
        assert details is not None
        assert details["keyValue"] == again
        assert details["keyPattern"] == dict.fromkeys(again, 1)
    assert clips.count_documents({}) == 1


def test_updates_respect_a_unique_index(clips: Collection[Document]) -> None:
    clips.create_index("slug", unique=True)
    clips.insert_many([{"_id": 1, "slug": "a"}, {"_id": 2, "slug": "b"}, {"_id": 3}])
    for write in (
        lambda: clips.update_one({"_id": 2}, {"$set": {"slug": "a"}}),
        lambda: clips.insert_one({"_id": 4, "slug": None}),  # as good as missing
    ):
        with pytest.raises(DuplicateKeyError):
            write()
    assert [d.get("slug") for d in clips.find()] == ["a", "b", None]
    clips.update_one({"_id": 2}, {"$set": {"n": 1}})
    clips.delete_one({"_id": 1})
    clips.update_one({"_id": 2}, {"$set": {"slug": "a"}})
    assert clips.find_one({"slug": "a"}) == {"_id": 2, "slug": "a", "n": 1}
    assert clips.find_one({"slug": "b"}) is None


def test_a_compound_unique_index(clips: Collection[Document]) -> None:
    clips.create_index([("project", ASCENDING), ("version", DESCENDING)], unique=True)
    clips.insert_many([{"project": p, "version": v} for p in "ab" for v in (1, 2)])
    with pytest.raises(BulkWriteError):
        clips.insert_many([{"project": "a", "version": 2}])
    assert clips.count_documents({"project": "a", "version": 2}) == 1


def test_indexes_are_made_once_and_listed(clips: Collection[Document]) -> None:
    for _ in range(2):
        clips.create_index([("a", 1), ("b", -1)], name="ab", unique=True)
        clips.create_index("c")
    information = clips.index_information()
    assert set(information) == {"_id_", "ab", "c_1"}
    assert information["ab"]["key"] == [("a", 1), ("b", -1)]
    assert information["ab"]["unique"] is True
    with pytest.raises(OperationFailure) as failure:
        clips.create_index("c", unique=True)
    assert failure.value.code == 86


def test_an_index_on_existing_duplicates_is_refused(clips: Collection[Document]) -> None:
    clips.insert_many([{"a": 1}, {"a": 1}])
    with pytest.raises(DuplicateKeyError):
        clips.create_index("a", unique=True)
    assert list(clips.index_information()) == ["_id_"]


FIND: Document = {"find": "clips"}
INDEX: Document = {"key": {"a": 1}, "name": "a"}


def matching(**condition: Any) -> Document:
    return {**FIND, "filter": {"a": {f"${name}": value for name, value in condition.items()}}}


def updating(change: Any, **options: Any) -> Document:
    return {"update": "clips", "updates": [{"q": {}, "u": change, **options}]}


def piping(**stage: Any) -> Document:
    stages = [{f"${name}": value for name, value in stage.items()}]
    return {"aggregate": "clips", "pipeline": stages, "cursor": {}}


@pytest.mark.usefixtures("embedded_only")
@pytest.mark.parametrize(
    ("command", "named", "code"),
    [
        ({"frobnicate": 1}, "frobnicate", 59),
        ({"distinct": "clips", "key": "a"}, "distinct", 59),
        ({"findAndModify": "clips", "remove": True}, "findAndModify", 59),
        ({"getMore": 1, "collection": "clips"}, "getMore", 59),
        ({**FIND, "sort": {"a": 1}}, "'sort' of find", 238),
        ({**FIND, "batchSize": 2}, "'batchSize' of find", 238),
        ({**FIND, "collation": {"locale": "fr"}}, "'collation' of find", 238),
        ({**FIND, "projection": {"a": {"$elemMatch": {"b": 1}}}}, "$elemMatch", 238),
        ({**FIND, "filter": {"$where": "true"}}, "$where", 238),
        ({**FIND, "filter": {"$nor": [{"a": 1}]}}, "$nor", 238),
        (matching(regex="^a"), "$regex", 238),
        ({**FIND, "filter": {"a": Regex("^a")}}, "Regex", 2),
        (matching(elemMatch={"b": 1}), "$elemMatch", 238),
        (matching(size=1), "$size", 238),
        (piping(lookup={}), "$lookup", 238),
        (piping(sort={"a": 1}), "$sort", 238),
        (piping(group={"_id": "$a"}), "$group", 238),
        (piping(project={"b": "$a"}), "$a", 238),
        (updating({"$addToSet": {"a": 1}}), "$addToSet", 238),
        (updating({"$rename": {"a": "b"}}), "$rename", 238),
        (updating({"$push": {"b": {"$each": [1], "$sort": 1}}}), "$sort", 238),
        (updating({"$set": {"a.$[x]": 1}}), "a.$[x]", 238),
        (updating({"$set": {"a": 1}}, upsert=True), "'upsert' of update", 238),
        (updating({"$set": {"a": 1}}, arrayFilters=[{"x": 1}]), "'arrayFilters'", 238),
        (updating([{"$set": {"a": 1}}]), "pipeline", 238),
        ({"createIndexes": "clips", "indexes": [{**INDEX, "sparse": True}]}, "'sparse'", 238),
        ({"createIndexes": "clips", "indexes": [{**INDEX, "key": {"a": "text"}}]}, "'text'", 238),
        ({"insert": "clips", "documents": [{}], "txnNumber": 1}, "'txnNumber'", 238),
        ({"insert": "clips", "documents": [{}], "writeConcern": {"w": 3}}, "'w': 3", 238),
    ],
    ids=str,
)
def test_what_is_not_there_is_refused_by_name(
    database: Database[Document], command: Document, named: str, code: int
) -> None:
    database["clips"].insert_one({"_id": 1, "a": 1})
    reply = database.command(command, check=False)
    (error,) = reply.get("writeErrors", [reply])
    assert error["code"] == code
    assert named in error["errmsg"]
    assert list(database["clips"].find()) == [{"_id": 1, "a": 1}]
