"""What bounds the server's memory: cursors that age, and documents that expire."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from auteur.devstack.mongod import cursors
from auteur.devstack.mongod.cursors import IDLE_SECONDS, CursorTable
from auteur.devstack.mongod.errors import CommandError, ErrorCode
from auteur.devstack.mongod.indexes import parse_index
from auteur.devstack.mongod.store import Namespace, Store

NOW = datetime(2024, 1, 1)  # noqa: DTZ001 - as BSON times are decoded


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def open_cursor(table: CursorTable) -> int:
    reply = table.open("db.clips", [{"_id": i} for i in range(10)], batch_size=2)
    return int(reply["cursor"]["id"])


def test_an_idle_cursor_is_closed_and_a_used_one_is_not() -> None:
    clock = Clock()
    table = CursorTable(clock=clock)
    idle, used = open_cursor(table), open_cursor(table)
    clock.now = IDLE_SECONDS * 0.8
    table.get_more(used, "db.clips", batch_size=2)
    clock.now = IDLE_SECONDS * 1.2
    reply = table.get_more(used, "db.clips", batch_size=2)
    assert [d["_id"] for d in reply["cursor"]["nextBatch"]] == [4, 5]
    with pytest.raises(CommandError) as failure:
        table.get_more(idle, "db.clips", batch_size=2)
    assert failure.value.code is ErrorCode.CursorNotFound


def test_the_longest_unused_cursor_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cursors, "MAX_CURSORS", 2)
    table = CursorTable()
    first, second = open_cursor(table), open_cursor(table)
    table.get_more(first, "db.clips", batch_size=1)
    third = open_cursor(table)
    assert table.kill([first, second, third]) == ([first, third], [second])


def test_an_exhausted_cursor_is_not_kept() -> None:
    table = CursorTable()
    assert table.open("db.clips", [{"_id": 1}])["cursor"]["id"] == 0
    cursor_id = open_cursor(table)
    assert table.get_more(cursor_id, "db.clips", batch_size=None)["cursor"]["id"] == 0
    assert len(table) == 0


def test_a_ttl_index_expires_documents(tmp_path: Path) -> None:
    store, drafts = Store(tmp_path), Namespace("db", "drafts")
    store.create_index(
        drafts, parse_index({"key": {"at": 1}, "name": "ttl", "expireAfterSeconds": 60})
    )
    for age in (10, 59, 61, 600):
        store.insert(drafts, {"_id": age, "at": NOW - timedelta(seconds=age)})
    store.insert(drafts, {"_id": "no date", "at": "yesterday"})
    assert store.delete_expired(NOW) == 2
    assert [d["_id"] for d in store.find(drafts, {})] == [10, 59, "no date"]
    store.close()
