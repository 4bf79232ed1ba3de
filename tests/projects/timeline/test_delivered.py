"""What jobs deliver stays whatever is undone and redone, and undo does what it promised."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymongo.collection import Collection
from rest_framework.exceptions import APIException

from accounts.models import User
from media.models import MediaFile, MediaType
from projects import authoring, transcript
from projects.models import Project
from projects.timeline import editing, patching
from projects.timeline.content import Content
from projects.timeline.shape import EdlShape
from tests.projects.timeline import walk
from tests.projects.timeline.making import check_stored, clip, parsed, segment, track
from tests.properties import examples

pytestmark = [pytest.mark.property, pytest.mark.django_db]

STORED = examples(25, 600)

SAID = ("one two three", "four five six seven", "eight", "nine ten")
WRITTEN = ("remove", "move", "retell", "write")
JOBS_AND_STEPS = ("deliver", "undo", "redo")
KINDS = [*JOBS_AND_STEPS * 4, "undo", "undo", *WRITTEN * 2, *sorted(walk.MAKERS)]
ACTIONS = st.lists(st.tuples(st.sampled_from(KINDS), *[walk.NUMBERS] * 4), min_size=5, max_size=30)

State = tuple[Any, Any, Any]
"""Tracks, segments, and how captions look."""


def delivered(segments: Sequence[Any], media: str, new: Sequence[Any]) -> list[Any]:
    """What a delivery makes of the segments of any version, the plain way."""
    made: list[Any] = []
    waiting = list(new)
    for each in segments:
        if each["media_file_id"] != media:
            made.append(each)
        else:
            made += waiting
            waiting = []
    return made + waiting


@dataclass
class Promised:
    """What a user of an editor expects: all versions that undo and redo lead to."""

    now: State
    past: list[State] = field(default_factory=list)
    future: list[State] = field(default_factory=list)

    def edited(self, state: State) -> None:
        if state != self.now:
            self.past.append(self.now)
            self.now, self.future = state, []

    def undone(self) -> None:
        self.future.append(self.now)
        self.now = self.past.pop()

    def redone(self) -> None:
        self.past.append(self.now)
        self.now = self.future.pop()

    def delivered(self, media: str, new: Sequence[Any]) -> None:
        """It has always been there; what no longer makes a difference is no step."""

        def told(state: State) -> State:
            return state[0], delivered(state[1], media, new), state[2]

        self.now = told(self.now)
        self.past = _different([told(each) for each in self.past], self.now)
        self.future = _different([told(each) for each in self.future], self.now)


def _different(states: list[State], last: State) -> list[State]:
    following = [*states, last][1:]
    return [one for one, other in zip(states, following, strict=True) if one != other]


@pytest.fixture
def recordings(make_media: Any, user: User) -> list[MediaFile]:
    return [make_media(type=MediaType.VIDEO, duration_ms=6000) for _ in range(2)]


@dataclass
class Editor:
    """A project in the store, and what its user has been promised of it."""

    project: Project
    media: Sequence[MediaFile]
    edls: Collection[dict[str, Any]]
    promised: Promised = field(init=False)

    def __post_init__(self) -> None:
        picture = [
            clip("a", 0, 0, 3000, media=str(self.media[0].pk)),
            clip("b", 3500, 1000, 6000, media=str(self.media[1].pk)),
        ]
        self.promised = Promised(self.state())
        self.replace([track(*picture)], None)
        self.promised.edited(self.state())
        self.deliver(0, 2)

    @property
    def key(self) -> dict[str, Any]:
        return {"project_id": self.project.pk, "user_id": self.project.user_id}

    def stored(self) -> dict[str, Any]:
        found = self.edls.find_one({"project_id": str(self.project.pk)})
        assert found is not None
        return found

    def state(self) -> State:
        document = self.stored()
        style = document.get("captions_style")
        return document["tracks"], document["transcript"]["segments"], style

    def check(self) -> None:
        document = self.stored()
        assert self.state() == self.promised.now
        assert len(document["undo_stack"]) == len(self.promised.past)
        assert len(document["redo_stack"]) == len(self.promised.future)
        check_stored(document)

    def deliver(self, a: int, b: int, *_: int) -> None:
        """Have one of the recordings transcribed: silence, or up to four segments."""
        media = self.media[a % 2]
        texts = SAID[: b % 5]
        said = [segment("", 100 + 900 * place, text) for place, text in enumerate(texts)]
        transcript.merge_transcript(
            **self.key, media_file_id=media.pk, job_id=uuid.uuid4(), segments=said
        )
        new = [each for each in self.state()[1] if each["media_file_id"] == str(media.pk)]
        assert tuple(each["text"] for each in new) == texts
        self.promised.delivered(str(media.pk), new)

    def undo(self, *_: int) -> None:
        if not self.promised.past:
            with pytest.raises(editing.NothingToUndoProblem):
                editing.undo_edit(**self.key)
            return
        editing.undo_edit(**self.key)
        self.promised.undone()

    def redo(self, *_: int) -> None:
        if not self.promised.future:
            with pytest.raises(editing.NothingToRedoProblem):
                editing.redo_edit(**self.key)
            return
        editing.redo_edit(**self.key)
        self.promised.redone()

    def edit(self, kind: str, a: int, b: int, c: int, d: int) -> None:
        """One edit of the user's, unless it is refused."""
        tracks, segments, style = self.state()
        try:
            if kind == "write":
                by_hand = segment(str(uuid.uuid4()), 50, "by hand", media=str(self.media[1].pk))
                self.replace(tracks, {"segments": [*segments[: a % 3], by_hand]})
            elif kind in WRITTEN:
                patch = patching.parse_patch(patch_of(kind, a % len(segments), b % len(segments)))
                versions = frozenset({self.stored()["version"]})
                editing.patch_edl(**self.key, versions=versions, operations=patch)
            else:
                now, media = Content(tracks, segments, style), str(self.media[a % 2].pk)
                some = parsed(walk.operation(now, media, (kind, a, b, c, d)))
                editing.apply_operations(**self.key, versions=None, operations=some)
        except (ValueError, ZeroDivisionError, APIException):
            return
        self.promised.edited(self.state())

    def replace(self, tracks: Any, told: Any) -> None:
        """`PUT`."""
        body = {"tracks": tracks} | ({"transcript": told} if told else {})
        document = EdlShape.model_validate(body)
        editing.replace_edl(**self.key, versions=None, document=document)


def patch_of(kind: str, place: int, other: int) -> list[dict[str, Any]]:
    """A JSON Patch of segments."""
    at, to = f"/transcript/segments/{place}", f"/transcript/segments/{other}"
    if kind == "retell":
        return [
            {"op": "replace", "path": f"{at}/edited_text", "value": f"t{place}"},
            {"op": "replace", "path": f"{to}/speaker", "value": f"S{place}"},
        ]
    return [{"op": "move", "from": at, "path": to} if kind == "move" else {"op": kind, "path": at}]


@STORED
@given(actions=ACTIONS)
def test_any_mix_of_edits_deliveries_undo_and_redo(
    actions: list[walk.Step],
    user: User,
    recordings: list[MediaFile],
    edls: Collection[dict[str, Any]],
) -> None:
    project = authoring.create_project(user_id=user.pk, fields={"name": "Walk"})
    editor = Editor(project, recordings, edls)
    for kind, *numbers in actions:
        if kind in JOBS_AND_STEPS:
            getattr(editor, kind)(*numbers)
        else:
            editor.edit(kind, *numbers)
        editor.check()

    for _ in range(len(editor.promised.past) + 1):
        editor.undo()
        editor.check()
    for _ in range(len(editor.promised.future) + 1):
        editor.redo()
        editor.check()
