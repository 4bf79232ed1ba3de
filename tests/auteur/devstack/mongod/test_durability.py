"""What survives: killed servers, clean stops, and a folder's lock."""

import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.errors import DuplicateKeyError, PyMongoError

from .conftest import ServerProcess, spawn

Document = dict[str, Any]
Start = Callable[..., ServerProcess]


def connect(server: ServerProcess) -> MongoClient[Document]:
    return MongoClient(server.uri)


def test_acknowledged_writes_survive_a_kill(start_server: Start) -> None:
    server = start_server()
    with connect(server) as client:
        clips = client["db"]["clips"]
        clips.create_index("project_id", unique=True)
        clips.insert_many([{"_id": i, "project_id": i, "n": 0} for i in range(50)])
        clips.update_one({"_id": 1}, {"$set": {"n": 7}})
        clips.delete_one({"_id": 2})
        client["gone"]["clips"].insert_one({})
        client.drop_database("gone")
    server.kill()
    with connect(start_server()) as client:
        clips = client["db"]["clips"]
        assert client["db"].list_collection_names() == ["clips"]
        assert client["gone"].list_collection_names() == []
        assert [d["_id"] for d in clips.find()] == [0, 1, *range(3, 50)]
        assert clips.find_one({"_id": 1}) == {"_id": 1, "project_id": 1, "n": 7}
        with pytest.raises(DuplicateKeyError):
            clips.insert_one({"_id": 99, "project_id": 1})


def test_every_acknowledged_write_of_a_busy_server_survives_a_kill(start_server: Start) -> None:
    server = start_server()
    acknowledged: list[int] = []

    def write() -> None:
        with connect(server) as client:
            for i in range(100_000):
                try:
                    client["db"]["clips"].insert_one({"_id": i, "pad": "x" * 2_000})
                except PyMongoError:
                    return
                acknowledged.append(i)
                if i == 200:
                    busy.set()

    busy = threading.Event()
    writer = threading.Thread(target=write)
    writer.start()
    assert busy.wait(timeout=60)
    server.kill()
    writer.join(timeout=60)
    with connect(start_server()) as client:
        stored = {document["_id"] for document in client["db"]["clips"].find()}
    assert stored.issuperset(acknowledged)
    assert len(stored) - len(acknowledged) <= 1


def test_a_clean_stop_loses_nothing_and_frees_the_folder(start_server: Start) -> None:
    server = start_server()
    with connect(server) as client:
        client["db"]["clips"].insert_one({"_id": 1})
    assert server.terminate() == 0
    with connect(start_server()) as client:
        assert list(client["db"]["clips"].find()) == [{"_id": 1}]


def test_a_folder_belongs_to_one_server(start_server: Start, tmp_path: Path) -> None:
    start_server()
    _, errors = (second := spawn(tmp_path / "data")).communicate(timeout=30)
    assert second.returncode == 1
    assert errors.endswith("database is locked\n")


def test_a_taken_port_is_named_in_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        server = spawn(tmp_path / "other", port=port)
        output, errors = server.communicate(timeout=30)
    assert server.returncode == 1
    assert output == ""
    assert errors.startswith(f"mongod: cannot serve 127.0.0.1:{port} ")
    assert errors.count("\n") == 1
