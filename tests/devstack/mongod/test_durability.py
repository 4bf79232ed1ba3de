"""What survives: killed servers, torn journals, compaction, and a folder's lock."""

import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.errors import DuplicateKeyError, PyMongoError

from auteur.devstack.mongod.errors import CommandError
from auteur.devstack.mongod.indexes import parse_index
from auteur.devstack.mongod.journal import Journal, JournalError
from auteur.devstack.mongod.store import Namespace, Store

from .conftest import ServerProcess, spawn

Document = dict[str, Any]
Start = Callable[..., ServerProcess]
CLIPS = Namespace("db", "clips")


def connect(server: ServerProcess) -> MongoClient[Document]:
    return MongoClient(server.uri)


def ids_in(folder: Path) -> list[Any]:
    """What a data folder holds, which fails while another server has it."""
    store = Store(folder)
    found = [document["_id"] for document in store.find(CLIPS, {})]
    store.close()
    return found


def test_acknowledged_writes_survive_a_kill(start_server: Start) -> None:
    server = start_server()
    with connect(server) as client:
        clips = client["db"]["clips"]
        clips.create_index("project_id", unique=True)
        clips.insert_many([{"_id": i, "project_id": i, "n": 0} for i in range(50)])
        clips.update_one({"_id": 1}, {"$set": {"n": 7}})
        clips.delete_one({"_id": 2})
        client["db"]["gone"].insert_one({})
        client["db"].drop_collection("gone")
    server.kill()
    with connect(start_server()) as client:
        clips = client["db"]["clips"]
        assert client["db"].list_collection_names() == ["clips"]
        assert [d["_id"] for d in clips.find()] == [0, 1, *range(3, 50)]
        assert clips.find_one({"_id": 1}) == {"_id": 1, "project_id": 1, "n": 7}
        with pytest.raises(DuplicateKeyError):
            clips.insert_one({"_id": 99, "project_id": 1})


def test_every_acknowledged_write_of_a_busy_server_survives_a_kill(
    start_server: Start, tmp_path: Path
) -> None:
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
    assert busy.wait(timeout=20)
    server.kill()
    writer.join(timeout=20)
    # As if it had died in the middle of the next write.
    with (tmp_path / "data" / "journal.bin").open("ab") as journal:
        journal.write(b"\x40\x00\x00")
    stored = set(ids_in(tmp_path / "data"))
    assert stored.issuperset(acknowledged)
    assert len(stored) - len(acknowledged) <= 1


def test_a_clean_stop_loses_nothing_and_frees_the_folder(
    start_server: Start, tmp_path: Path
) -> None:
    server = start_server()
    with connect(server) as client:
        client["db"]["clips"].insert_one({"_id": 1})
    assert server.terminate() == 0
    assert ids_in(tmp_path / "data") == [1]


@pytest.mark.parametrize("cut", [1, 6, 40])
def test_a_torn_last_record_is_dropped(tmp_path: Path, cut: int) -> None:
    store = Store(tmp_path)
    for i in range(3):
        store.insert(CLIPS, {"_id": i, "pad": "x" * 100})
    store.close()
    journal = tmp_path / "journal.bin"
    journal.write_bytes(journal.read_bytes()[:-cut])
    reopened = Store(tmp_path)
    assert [d["_id"] for d in reopened.find(CLIPS, {})] == [0, 1]
    reopened.insert(CLIPS, {"_id": "after"})
    reopened.close()
    assert ids_in(tmp_path) == [0, 1, "after"]


def test_damage_in_the_middle_is_not_passed_over(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for i in range(3):
        store.insert(CLIPS, {"_id": i, "pad": "x" * 100})
    store.close()
    journal = tmp_path / "journal.bin"
    damaged = bytearray(journal.read_bytes())
    damaged[len(damaged) // 2] ^= 0xFF
    journal.write_bytes(damaged)
    with pytest.raises(JournalError, match="damaged at byte"):
        Store(tmp_path)


def test_a_foreign_file_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "journal.bin").write_bytes(b"something else entirely, of some length")
    with pytest.raises(JournalError, match="not a journal"):
        Store(tmp_path)


def test_compaction_keeps_the_data_and_sheds_the_history(tmp_path: Path) -> None:
    store = Store(tmp_path, compaction_floor=20_000)
    store.insert(CLIPS, {"_id": "edl", "version": 0})
    for version in range(1, 200):
        store.replace(CLIPS, {"_id": "edl", "version": version, "pad": "x" * 1_000})
    store.close()
    assert (tmp_path / "journal.bin").stat().st_size < 30_000
    reopened = Store(tmp_path)
    assert [d["version"] for d in reopened.find(CLIPS, {})] == [199]
    reopened.close()


def test_compaction_keeps_indexes_and_empty_collections(tmp_path: Path) -> None:
    store = Store(tmp_path, compaction_floor=2_000)
    store.create(Namespace("db", "empty"))
    store.create_index(CLIPS, parse_index({"key": {"slug": 1}, "name": "slug", "unique": True}))
    for version in range(100):
        store.replace(CLIPS, {"_id": 1, "slug": "a", "version": version, "pad": "x" * 100})
    store.close()
    assert (tmp_path / "journal.bin").stat().st_size < 5_000
    reopened = Store(tmp_path)
    assert sorted(reopened.collections("db")) == ["clips", "empty"]
    with pytest.raises(CommandError, match="E11000"):
        reopened.insert(CLIPS, {"_id": 2, "slug": "a"})
    reopened.close()


def test_a_rewritten_journal_takes_more_records(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    assert list(journal.replay()) == []
    journal.append(b"one")
    journal.rewrite([b"two", b"three"])
    journal.append(b"four")
    journal.close()
    reopened = Journal(tmp_path)
    assert list(reopened.replay()) == [b"two", b"three", b"four"]
    reopened.close()


def test_a_full_disk_fails_the_write_and_keeps_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(tmp_path)
    assert list(journal.replay()) == []
    journal.append(b"kept")
    with monkeypatch.context() as patch:
        patch.setattr("os.pwrite", _fill_the_disk)
        with pytest.raises(CommandError, match="No space left"):
            journal.append(b"lost")
    journal.append(b"kept too")
    journal.close()
    reopened = Journal(tmp_path)
    assert list(reopened.replay()) == [b"kept", b"kept too"]
    reopened.close()


def _fill_the_disk(fd: int, data: bytes, offset: int) -> int:
    raise OSError(28, "No space left on device")


def test_a_folder_belongs_to_one_server(tmp_path: Path) -> None:
    store = Store(tmp_path)
    second = spawn(tmp_path)
    _, errors = second.communicate(timeout=30)
    store.close()
    assert second.returncode == 1
    assert errors == f"mongod: cannot open {tmp_path}: the folder is in use by another server\n"


def test_a_taken_port_is_named_in_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        server = spawn(tmp_path / "other", port=port)
        output, errors = server.communicate(timeout=30)
    assert server.returncode == 1
    assert output == ""
    assert errors == f"mongod: cannot listen on 127.0.0.1:{port}: the port is already in use\n"
