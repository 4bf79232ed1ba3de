"""Many operations on many clips: work grows with their sum, and what they make together is bounded.

Steps are bytecodes, so that a busy machine counts as many as an idle one. The one bound in seconds
of each proof is many times what it takes.
"""

import time
from collections.abc import Callable
from typing import Any

import pytest
from pymongo.collection import Collection
from rest_framework.test import APIClient

from media.models import MediaFile
from projects import documents, edl
from projects.models import Project
from projects.timeline import draft as drafts
from projects.timeline import editing, rules
from projects.timeline.content import Content
from projects.timeline.draft import Draft
from tests.projects.timeline.asking import operate, problem
from tests.projects.timeline.making import (
    MEDIA,
    after,
    clip,
    content,
    parsed,
    refused,
    segment,
    track,
)
from tests.steps import steps

Json = dict[str, Any]


def alike(count: int) -> Content:
    """Clips that all play the same sentence."""
    clips = [clip(f"c{n}", n * 4000, 0, 4000) for n in range(count)]
    return content(track(*clips), segments=[segment("s", 1000, "one two three four")])


def pairs(count: int) -> list[Json]:
    both = ("delete_segment", "restore_segment")
    return [{"op": op, "segment_id": "s"} for op in both] * count


def rippling(count: int) -> list[Json]:
    return [{"op": "delete_clip", "clip_id": f"c{n}", "mode": "ripple"} for n in range(count)]


def every_second_word(count: int) -> tuple[Content, list[Json]]:
    said = segment("s", 0, "a " * 2 * count)
    for word in said["words"][::2]:
        word["deleted"] = True
    whole = {"op": "delete_words", "segment_id": "s", "first": 0, "last": 2 * count - 1}
    return content(track(clip("c", 0, 0, 1000 * count)), segments=[said]), [whole]


def fillers(count: int) -> tuple[Content, list[Json]]:
    """Half of them in one long clip, half in a clip each."""
    said = segment("s", 0, "a um " * 2 * count)
    long = clip("c", 0, 0, 1000 * count)
    each = [clip(f"c{n}", 1000 * n, 1000 * n, 1000 * n + 1000) for n in range(count, 2 * count)]
    return content(track(long, *each), segments=[said]), [{"op": "cut_fillers", "words": ["um"]}]


def silences(count: int) -> tuple[Content, list[Json]]:
    """As fillers, with a pause behind each word."""
    film, _ = fillers(count)
    return film, [{"op": "cut_silences", "threshold_ms": 50, "padding_ms": 0}]


at_the_end = {
    "op": "add_clip",
    "track_id": "v",
    "media_file_id": MEDIA,
    "out_point_ms": 1000,
}
GROWING: dict[str, Callable[[int], tuple[Content, list[Json]]]] = {
    "cuts in many clips": lambda size: (alike(size), pairs(1)),
    "rippling deletes": lambda size: (alike(size), rippling(size)),
    "clips at the end of a track": lambda size: (
        alike(size),
        [{**at_the_end, "clip_id": f"n{n}"} for n in range(size)],
    ),
    "cuts in one clip": every_second_word,
    "fillers in one clip and in many": fillers,
    "pauses in one clip and in many": silences,
    "words of one segment": lambda size: (
        content(segments=[segment("s", 0, "a " * 10 * size)]),
        [{"op": "delete_words", "segment_id": "s", "first": n} for n in range(size)],
    ),
}


@pytest.mark.parametrize("kind", GROWING)
def test_twice_as_much_is_twice_the_work(kind: str) -> None:
    def work(size: int) -> int:
        before, wanted = GROWING[kind](size)
        some = parsed(*wanted)

        def make() -> None:
            draft = Draft(before)
            for each in some:
                each.apply(draft)
            draft.content()

        return steps(make)

    work(10)
    assert work(120) < 2.3 * work(60)


def test_clips_are_cut_as_often_as_the_bound_and_not_once_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(drafts, "MAX_CUTS", 40)

    assert after(alike(20), *pairs(1)).tracks[0]["clips"]
    assert len(after(alike(40), *rippling(40)).tracks[0]["clips"]) == 40
    refused("too_many_cuts", lambda: after(alike(21), *pairs(1)))
    refused("too_many_cuts", lambda: after(alike(41), *rippling(41)))


def test_words_are_looked_at_as_often_as_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drafts, "MAX_CHOSEN_WORDS", 12)
    words = {"segment_id": "s", "first": 0, "last": 3}
    some = [{"op": "delete_words", **words}, {"op": "restore_words", **words}]

    after(alike(0), *some)
    refused("too_many_words", lambda: after(alike(0), *some, some[0]))


def test_clips_are_counted_while_they_come(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not when all is done: each cut in the middle makes two more."""
    third = documents.MAX_CLIPS // 3
    counted: list[int] = []
    draft = Draft(alike(third + 1))
    check = rules.check_clips

    def counting(count: int) -> None:
        counted.append(count)
        check(count)

    monkeypatch.setattr(rules, "check_clips", counting)
    refused("too_many_clips", lambda: parsed(*pairs(1))[0].apply(draft))

    assert max(counted) <= documents.MAX_CLIPS + 2
    assert len(after(alike(third), pairs(1)[0]).tracks[0]["clips"]) == 3 * third


def test_a_costly_edit_is_not_tried_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    tries: list[int] = []

    def attempt() -> None:
        tries.append(1)
        raise edl.StaleEdlProblem(version=2)

    monkeypatch.setattr(editing, "MAX_TRYING_SECONDS", 0)
    with pytest.raises(edl.StaleEdlProblem):
        editing.retry_on_conflict(attempt)

    assert len(tries) == 2


@pytest.fixture
def put_down(
    project: Project, film: MediaFile, edls: Collection[Json]
) -> Callable[[Content], None]:
    def put(wanted: Content) -> None:
        changed = {"tracks": wanted.tracks, "transcript.segments": wanted.segments}
        edls.update_one({"project_id": str(project.pk)}, {"$set": changed})

    return put


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("clips", "wanted", "answer"),
    [
        (600, pairs(20), (400, "too_many_cuts")),  # it was 27 seconds
        (2000, pairs(1), (400, "too_many_clips")),  # 26 seconds
        (2000, rippling(500), (200, None)),  # 5 seconds
    ],
)
def test_proofs_over_the_api(
    clips: int,
    wanted: list[Json],
    answer: tuple[int, str | None],
    api: APIClient,
    project: Project,
    put_down: Callable[[Content], None],
) -> None:
    put_down(alike(clips))
    began = time.process_time()

    found = operate(api, project, *wanted)

    took = time.process_time() - began
    if answer[1]:
        assert problem(found) == (400, "invalid")
        assert found.json()["errors"][0]["code"] == answer[1]
    assert found.status_code == answer[0]
    assert took < 5
