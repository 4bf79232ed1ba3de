"""The process that `benchmarks.operations` measures in: one long film, edited in every way.

Prints one JSON line: for each kind of operation the median milliseconds of processor time of this
thread, drivers included, where the process has edited the film before and where it does not know
it; and the same for the bare versioned update of that document.
"""

import json
import os
import statistics
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import bson
import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "auteur.settings")
django.setup()

from accounts import signup
from media.models import MediaFile
from projects import authoring, connection
from projects.timeline import editing, session
from projects.timeline.content import Author
from tests.projects.timeline.making import clip, parsed, segment, track

CLIPS = 1980
SEGMENTS = 2000
WORDS_EACH = 10
SEGMENT_MS = 500 * WORDS_EACH
TIMES = 7
USUAL = " ".join(["extraordinary", "exceptionally"] * (WORDS_EACH // 2))
CUTS = 20
"""As many as there is room for: each makes a clip more."""
AUTHOR: Author = {"type": "api_key", "id": str(uuid.uuid4()), "name": "Assistant"}
Json = dict[str, Any]


def make_film(words_of: Callable[[int], str] = lambda _: USUAL) -> dict[str, uuid.UUID]:
    """Whose EDL it is: as long as one can be, with these words in each of its segments."""
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
    segments = [
        segment(f"s{number}", number * SEGMENT_MS, words_of(number), media=str(media.pk))
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


@dataclass(frozen=True)
class Kind:
    """A kind of operation: what is asked for the nth time, and what must be asked before, if any.

    They are made of the film's clips as they were in the beginning.
    """

    name: str
    wanted: Callable[[list[Json], int], Json]
    before: Callable[[list[Json], int], Json] | None = None


def _of_clip(op: str, **more: Any) -> Callable[[list[Json], int], Json]:
    return lambda clips, n: {"op": op, "clip_id": clips[100 + n]["id"], **more}


def _of_segment(op: str, **more: Any) -> Callable[[list[Json], int], Json]:
    return lambda _clips, n: {"op": op, "segment_id": f"s{100 + n}", **more}


def _at(op: str, field: str, at: int) -> Callable[[list[Json], int], Json]:
    return lambda clips, n: {
        "op": op,
        "clip_id": clips[100 + n]["id"],
        field: (100 + n) * SEGMENT_MS + at,
    }


GAP: Json = {"mode": "gap"}
RIPPLE: Json = {"mode": "ripple"}
FADE: Json = {"type": "fade_in", "duration_ms": 500}

KINDS = (
    Kind("add a track", lambda _clips, n: {"op": "add_track", "type": "video", "name": f"T{n}"}),
    Kind(
        "add a clip",
        lambda clips, n: {
            "op": "add_clip",
            "track_id": clips[0]["track_id"],
            "media_file_id": clips[0]["media_file_id"],
            "start_ms": 3 * 10**7 + n * SEGMENT_MS,
            "in_point_ms": 0,
            "out_point_ms": SEGMENT_MS,
        },
    ),
    Kind(
        "move a clip",
        lambda clips, n: {"op": "move_clip", "clip_id": clips[-1]["id"], "start_ms": 2 * 10**7 + n},
    ),
    Kind("trim a clip", _at("trim_clip", "out_point_ms", 1000)),
    Kind("split a clip", _at("split_clip", "at_ms", 1000)),
    Kind("delete a clip, leave a gap", _of_clip("delete_clip", **GAP)),
    Kind("delete a clip, move the rest", _of_clip("delete_clip", **RIPPLE)),
    Kind("restore a clip", _of_clip("restore_clip"), _of_clip("delete_clip", **GAP)),
    Kind(
        "restore a clip, move the rest", _of_clip("restore_clip"), _of_clip("delete_clip", **RIPPLE)
    ),
    Kind("set an effect", _of_clip("set_effect", effect=FADE)),
    Kind(
        "remove an effect",
        _of_clip("remove_effect", type="fade_in"),
        _of_clip("set_effect", effect=FADE),
    ),
    Kind("edit a word", _of_segment("edit_word", word=1, text="x")),
    Kind("edit a segment", _of_segment("edit_segment", edited_text="x")),
    Kind("cut a segment, leave a gap", _of_segment("delete_segment", **GAP)),
    Kind("cut a segment, move the rest", _of_segment("delete_segment", **RIPPLE)),
    Kind(
        "restore a segment, move the rest",
        _of_segment("restore_segment"),
        _of_segment("delete_segment", **RIPPLE),
    ),
    Kind("cut words, leave a gap", _of_segment("delete_words", first=1, **GAP)),
    Kind("cut words, move the rest", _of_segment("delete_words", first=3, **RIPPLE)),
    Kind(
        "restore words, move the rest",
        _of_segment("restore_words", first=3),
        _of_segment("delete_words", first=3, **RIPPLE),
    ),
)


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


def by_operations(kind: Kind, *, kept: bool) -> float:
    """The median of one kind, on a film of its own, which the process has edited before or not."""
    key = make_film()
    clips = stored(key)["tracks"][0]["clips"]

    def operate(operations: list[Any]) -> object:
        return editing.apply_operations(**key, versions=None, operations=operations, author=AUTHOR)

    def timed(number: int) -> float:
        if kind.before:
            operate(parsed(kind.before(clips, number)))
        wanted = parsed(kind.wanted(clips, number))
        if not kept:
            session.SESSIONS.forget((key["project_id"], key["user_id"]))
        return milliseconds(lambda: operate(wanted))

    return statistics.median(timed(number) for number in range(TIMES))


def by_undo(*, kept: bool) -> dict[str, float]:
    """The medians of undo and redo of a cut that moves the rest."""
    key = make_film()
    ways: dict[str, Callable[..., object]] = {
        "undo a cut that moved the rest": editing.undo_edit,
        "redo a cut that moves the rest": editing.redo_edit,
    }
    took: dict[str, list[float]] = {name: [] for name in ways}
    cut = _of_segment("delete_words", first=3, **RIPPLE)
    editing.apply_operations(**key, versions=None, operations=parsed(cut([], 0)), author=AUTHOR)
    for _ in range(TIMES):
        for name, way in ways.items():
            if not kept:
                session.SESSIONS.forget((key["project_id"], key["user_id"]))
            took[name].append(milliseconds(partial(way, **key)))
    return {name: statistics.median(times) for name, times in took.items()}


def _with_fillers(number: int) -> str:
    """The words of a segment, one of a hundred of which begins with a filler."""
    first = "um" if number % (SEGMENTS // CUTS) == 1 else "exceptionally"
    return f"{first} {USUAL[: USUAL.rindex(' ')]}"


def _with_pauses(number: int) -> str:
    """The words of a segment, one of a hundred of which falls silent before its end."""
    return USUAL[: USUAL.rindex(" ")] if number % (SEGMENTS // CUTS) == 1 else USUAL


def by_finding(*, kept: bool) -> dict[str, float]:
    """The medians of operations that look through all that is said, each undone again."""
    kinds: dict[str, tuple[Callable[[int], str], Json]] = {
        f"find {CUTS} fillers, move the rest": (
            _with_fillers,
            {"op": "cut_fillers", "words": ["um"]},
        ),
        f"find {CUTS} pauses, move the rest": (
            _with_pauses,
            {"op": "cut_silences", "threshold_ms": 500, "padding_ms": 0},
        ),
    }
    return {name: _found(*kind, kept=kept) for name, kind in kinds.items()}


def _found(words_of: Callable[[int], str], wanted: Json, *, kept: bool) -> float:
    key = make_film(words_of)
    undo: Callable[..., object] = editing.undo_edit
    times = []
    for _ in range(TIMES + 1):
        if not kept:
            session.SESSIONS.forget((key["project_id"], key["user_id"]))
        operate = partial(
            editing.apply_operations, **key, versions=None, operations=parsed(wanted), author=AUTHOR
        )
        times.append(milliseconds(operate))
        undo(**key)
    return statistics.median(times[1:])


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
    took = {}
    for name, kept in (("operations", True), ("unknown", False)):
        took[name] = {kind.name: by_operations(kind, kept=kept) for kind in KINDS}
        took[name] |= by_undo(kept=kept) | by_finding(kept=kept)
    print(json.dumps({"bytes": len(bson.encode(stored(key))), "bare": bare(key), **took}))


if __name__ == "__main__":
    main()
