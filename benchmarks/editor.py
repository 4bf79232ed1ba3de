"""The process that `benchmarks.operations` measures in: one long film, edited in every way.

Prints one JSON line: for each kind of operation the median milliseconds of processor time of this
thread, drivers included; and the same for the bare versioned update of that document.
"""

import json
import os
import statistics
import time
import uuid
from collections.abc import Callable
from functools import partial
from typing import Any

import bson
import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "auteur.settings")
django.setup()

from accounts import signup
from media.models import MediaFile
from projects import authoring, connection
from projects.timeline import editing
from tests.projects.timeline.making import clip, parsed, segment, track

CLIPS = 1980
SEGMENTS = 2000
WORDS_EACH = 10
SEGMENT_MS = 500 * WORDS_EACH
TIMES = 7
Json = dict[str, Any]


def make_film() -> dict[str, uuid.UUID]:
    """Whose EDL it is: as long as one can be."""
    user = signup.sign_up(user_id=uuid.uuid4(), email=f"{uuid.uuid4()}@example.com")
    media = MediaFile.objects.create(
        user=user,
        name="film.mp4",
        type="video",
        status="ready",
        duration_ms=SEGMENTS * SEGMENT_MS,
        r2_key=str(uuid.uuid4()),
        r2_url="http://storage",
    )
    project = authoring.create(user_id=user.pk, fields={"name": "Long"})
    clips = [
        clip(str(uuid.uuid4()), at, at, at + SEGMENT_MS, media=str(media.pk))
        for at in range(0, CLIPS * SEGMENT_MS, SEGMENT_MS)
    ]
    text = " ".join(["extraordinary"] * WORDS_EACH)
    segments = [
        segment(f"s{number}", number * SEGMENT_MS, text, media=str(media.pk))
        for number in range(SEGMENTS)
    ]
    transcript = {"generated_at": None, "segments": segments}
    film = {
        "tracks": [track(*clips, name=str(uuid.uuid4()))],
        "transcript": transcript,
        "transcript_bytes": len(bson.encode(transcript)),
        "settings.duration_ms": CLIPS * SEGMENT_MS,
    }
    connection.collection().update_one({"project_id": str(project.pk)}, {"$set": film})
    return {"project_id": project.pk, "user_id": user.pk}


KINDS: dict[str, Callable[[list[Json], int], Json]] = {
    "edit a word": lambda _clips, n: {
        "op": "edit_word",
        "segment_id": f"s{n}",
        "word": 1,
        "text": "x",
    },
    "move a clip": lambda clips, n: {
        "op": "move_clip",
        "clip_id": clips[-1]["id"],
        "start_ms": 2 * 10**7 + n,
    },
    "split a clip": lambda clips, n: {
        "op": "split_clip",
        "clip_id": clips[100 + n]["id"],
        "at_ms": (100 + n) * SEGMENT_MS + 1000,
    },
    "cut words, leave a gap": lambda _clips, n: {
        "op": "delete_words",
        "segment_id": f"s{n}",
        "first": 1,
        "mode": "gap",
    },
    "cut words, move the rest": lambda _clips, n: {
        "op": "delete_words",
        "segment_id": f"s{n}",
        "first": 3,
        "mode": "ripple",
    },
}


def milliseconds(work: Callable[[], object]) -> float:
    """Processor time of this thread."""
    began = time.thread_time()
    work()
    return (time.thread_time() - began) * 1000


def stored(key: dict[str, uuid.UUID]) -> Json:
    """The film's document."""
    found = connection.collection().find_one({"project_id": str(key["project_id"])})
    assert found is not None
    return found


def by_operations(kind: Callable[[list[Json], int], Json]) -> float:
    """The median of one kind, on a film of its own."""
    key = make_film()
    clips = stored(key)["tracks"][0]["clips"]

    def operate(number: int) -> None:
        editing.operate(**key, versions=None, operations=parsed(kind(clips, number)))

    return statistics.median(milliseconds(partial(operate, number)) for number in range(TIMES))


def bare(key: dict[str, uuid.UUID]) -> float:
    """The median of one update that names the version, as plain pymongo sends it."""
    edls = connection.collection()
    mine = {name: str(value) for name, value in key.items()}
    change = {"$set": {"tracks.0.clips.0.start_ms": 1}, "$inc": {"version": 1}}

    def update() -> None:
        found = edls.find_one(mine, {"version": 1})
        assert found is not None
        edls.update_one({**mine, "version": found["version"]}, change)

    return statistics.median(milliseconds(update) for _ in range(TIMES))


def main() -> None:
    key = make_film()
    took = {name: by_operations(kind) for name, kind in KINDS.items()}
    print(
        json.dumps({"bytes": len(bson.encode(stored(key))), "operations": took, "bare": bare(key)})
    )


if __name__ == "__main__":
    main()
