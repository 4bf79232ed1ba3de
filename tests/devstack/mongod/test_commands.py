"""The handshake, databases and collections, and how what is not supported is refused."""

from typing import Any

import pytest
from bson import encode
from pymongo import MongoClient
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.errors import CollectionInvalid, OperationFailure
from pymongo.server_api import ServerApi

Document = dict[str, Any]


def code_of(database: Database[Document], *args: Any, **options: Any) -> int | None:
    with pytest.raises(OperationFailure) as failure:
        database.command(*args, **options)
    return failure.value.code


def test_the_handshake_tells_the_limits(client: MongoClient[Document]) -> None:
    for name in ("hello", "isMaster"):
        reply = client.admin.command(name)
        assert reply.get("isWritablePrimary", reply.get("ismaster")) is True
        assert reply["maxBsonObjectSize"] == 16 * 1024 * 1024
        assert reply["maxMessageSizeBytes"] == 48_000_000
        assert "compression" not in reply


def test_what_monitoring_asks_for(client: MongoClient[Document]) -> None:
    assert client.admin.command("ping") == {"ok": 1.0}
    assert client.server_info()["versionArray"][0] >= 6
    assert client.admin.command("serverStatus")["connections"]["current"] >= 1
    assert "system" in client.admin.command("hostInfo")
    parameter = client.admin.command("getParameter", featureCompatibilityVersion=1)
    assert "version" in parameter["featureCompatibilityVersion"]


def test_databases_and_collections_come_and_go(
    client: MongoClient[Document], database: Database[Document]
) -> None:
    assert database.name not in client.list_database_names()
    database.create_collection("empty")
    database["clips"].insert_one({"n": 1})
    assert sorted(database.list_collection_names()) == ["clips", "empty"]
    assert database.list_collection_names(filter={"name": "clips"}) == ["clips"]
    (row,) = [r for r in client.list_databases() if r["name"] == database.name]
    assert row["empty"] is False
    with pytest.raises(CollectionInvalid):
        database.create_collection("empty")
    database.drop_collection("clips")
    assert database["clips"].count_documents({}) == 0
    client.drop_database(database.name)
    assert database.name not in client.list_database_names()


def test_dropping_a_collection_that_is_not_there(database: Database[Document]) -> None:
    database.drop_collection("nowhere")
    assert database.list_collection_names() == []


def test_an_unknown_command(database: Database[Document]) -> None:
    with pytest.raises(OperationFailure) as failure:
        database.command("frobnicate")
    assert failure.value.code == 59
    assert failure.value.details is not None
    assert failure.value.details["codeName"] == "CommandNotFound"


def test_an_unknown_field_of_a_command(database: Database[Document]) -> None:
    assert code_of(database, "find", "clips", frobnicate=1) == 40415


def test_a_field_of_the_wrong_type(database: Database[Document]) -> None:
    assert code_of(database, "find", "clips", filter="x") == 14


def test_an_invalid_namespace(database: Database[Document]) -> None:
    assert code_of(database, "insert", "", documents=[{}]) == 73


def test_sessions_are_accepted(client: MongoClient[Document], clips: Collection[Document]) -> None:
    with client.start_session() as session:
        clips.insert_one({"_id": 1}, session=session)
        assert clips.find_one({"_id": 1}, session=session) == {"_id": 1}


def test_transactions_are_refused_as_on_a_standalone_server(
    client: MongoClient[Document], clips: Collection[Document]
) -> None:
    if client.admin.command("hello").get("setName"):
        pytest.skip("a replica set has transactions")
    with client.start_session() as session, pytest.raises(OperationFailure) as failure:
        with session.start_transaction():
            clips.insert_one({"_id": 1}, session=session)
    assert failure.value.code in (20, 263)
    assert clips.count_documents({}) == 0


def test_a_declared_api_version_is_accepted(mongodb_uri: str) -> None:
    versioned: MongoClient[Document] = MongoClient(mongodb_uri, server_api=ServerApi("1"))
    with versioned:
        assert versioned.admin.command("ping")["ok"] == 1.0


def test_a_document_that_grows_beyond_sixteen_mebibytes(clips: Collection[Document]) -> None:
    clips.insert_one({"_id": 1, "blobs": [b"x" * 12_000_000]})
    with pytest.raises(OperationFailure) as failure:
        clips.update_one({"_id": 1}, {"$push": {"blobs": b"x" * 6_000_000}})
    assert failure.value.code in (10334, 17419)
    stored = clips.find_one({"_id": 1})
    assert stored is not None
    assert len(encode(stored)) < 12_100_000


@pytest.mark.usefixtures("embedded_only")
@pytest.mark.parametrize(
    ("command", "options"),
    [
        ("find", {"collation": {"locale": "fr"}}),
        ("find", {"tailable": True}),
        ("find", {"projection": {"n": {"$add": [1, 2]}}}),
        ("find", {"projection": {"tracks.$": 1}}),
        ("find", {"filter": {"$where": "true"}}),
        ("find", {"filter": {"$text": {"$search": "x"}}}),
        ("aggregate", {"pipeline": [{"$lookup": {}}], "cursor": {}}),
        ("aggregate", {"pipeline": [{"$out": "other"}], "cursor": {}}),
        ("aggregate", {"pipeline": [{"$project": {"a": {"b": 1}}}], "cursor": {}}),
        ("create", {"capped": True, "size": 10}),
        ("createIndexes", {"indexes": [{"key": {"a": "text"}, "name": "t"}]}),
        ("createIndexes", {"indexes": [{"key": {"a": 1}, "name": "t", "collation": {"l": 1}}]}),
    ],
)
def test_what_is_not_implemented_says_so(
    database: Database[Document], command: str, options: Document
) -> None:
    database["clips"].insert_one({"n": 1})
    target = "other" if command == "create" else "clips"
    assert code_of(database, command, target, **options) == 238
    assert database.list_collection_names() == ["clips"]
