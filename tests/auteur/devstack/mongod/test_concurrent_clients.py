"""Many clients at once: compare-and-set by version loses nothing, in threads and processes."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from pymongo.collection import Collection
from pymongo.errors import DuplicateKeyError

Document = dict[str, Any]

THREADS = 6
EDITS = 25

# What an editor does: read, change, write back only onto the version it saw.
EDITOR = """
import sys
from pymongo import MongoClient
uri, database, edits = sys.argv[1], sys.argv[2], int(sys.argv[3])
clips = MongoClient(uri)[database]["clips"]
done = 0
while done < edits:
    seen = clips.find_one({"_id": "edl"})
    update = {"$set": {"total": seen["total"] + 1}, "$inc": {"version": 1}}
    done += clips.update_one({"_id": "edl", "version": seen["version"]}, update).modified_count
"""


def edit(clips: Collection[Document]) -> int:
    """Make the edits of one client; returns how many of its writes came too late."""
    stale = 0
    done = 0
    while done < EDITS:
        seen = clips.find_one({"_id": "edl"})
        assert seen is not None
        written = clips.update_one(
            {"_id": "edl", "version": seen["version"]},
            {"$set": {"total": seen["total"] + 1}, "$inc": {"version": 1}},
        )
        done += written.matched_count
        stale += not written.matched_count
    return stale


def test_threads_lose_no_increment(clips: Collection[Document]) -> None:
    clips.insert_one({"_id": "edl", "version": 0, "total": 0})
    with ThreadPoolExecutor(THREADS) as pool:
        stale = sum(pool.map(edit, [clips] * THREADS))
    expected = THREADS * EDITS
    assert clips.find_one() == {"_id": "edl", "version": expected, "total": expected}
    assert stale > 0, "the clients never met: this run proved nothing"


def test_processes_lose_no_increment(clips: Collection[Document], mongodb_uri: str) -> None:
    clips.insert_one({"_id": "edl", "version": 0, "total": 0})
    arguments = [sys.executable, "-c", EDITOR, mongodb_uri, clips.database.name, "40"]
    editors = [subprocess.Popen(arguments) for _ in range(2)]
    assert [editor.wait(timeout=30) for editor in editors] == [0, 0]
    assert clips.find_one() == {"_id": "edl", "version": 80, "total": 80}


def test_plain_increments_are_atomic(clips: Collection[Document]) -> None:
    clips.insert_one({"_id": 1, "n": 0})

    def increment(_: int) -> None:
        clips.update_one({"_id": 1}, {"$inc": {"n": 1}})

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(increment, range(200)))
    assert clips.find_one() == {"_id": 1, "n": 200}


def test_one_of_many_inserts_wins(clips: Collection[Document]) -> None:
    clips.create_index("project_id", unique=True)

    def create(n: int) -> bool:
        with suppress(DuplicateKeyError):
            clips.insert_one({"project_id": "p", "by": n})
            return True
        return False

    with ThreadPoolExecutor(THREADS) as pool:
        assert sum(pool.map(create, range(30))) == clips.count_documents({}) == 1
