"""Any operations in any order: the EDL stays right, and all of them can be undone and redone."""

import uuid
from typing import Any

import bson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymongo.collection import Collection
from rest_framework.exceptions import APIException

from accounts.models import User
from media.models import MediaFile, MediaType
from projects import authoring, transcript
from projects.models import Project
from projects.timeline import changes, editing, operations, rules, session
from projects.timeline.content import TRACK, Content, EditError, all_clips
from projects.timeline.draft import Draft
from projects.timeline.session_cache import SessionCache
from tests.projects.timeline import naive, walk
from tests.projects.timeline.films import films
from tests.projects.timeline.making import MEDIA, check_stored, clip, content, same, segment, track
from tests.properties import examples

pytestmark = pytest.mark.property

PURE = examples(150, 2000)
STORED = examples(25, 300)

STEPS = 25


def first() -> Content:
    """A film of two clips of one recording with sound, and what is said in it."""
    picture = [clip("a", 0, 0, 3000), clip("b", 3500, 3000, 6000)]
    sound = [clip("c", 0, 0, 3000), clip("d", 3500, 3000, 6000)]
    return content(
        track(*picture),
        track(*sound, name="s", kind="audio"),
        segments=[
            segment("s1", 200, "one two three"),
            segment("s2", 2500, "four five six seven"),
            segment("s3", 2700, "eight"),
        ],
    )


def tried(before: Content, step: walk.Step) -> Content:
    """The content after a step, or as it was where the step is refused."""
    wanted = walk.operation(before, MEDIA, step)
    try:
        (operation,) = operations.Operations.model_validate({"operations": [wanted]}).operations
        draft = Draft(before)
        operation.apply(draft)
        after = draft.content()
        rules.check_content(before, after)
    except (EditError, ValueError, APIException):
        return before
    return after


@PURE
@given(films())
def test_random_films_are_allowed(film: Content) -> None:
    rules.check_content(Content([], []), film)
    for each in film.tracks:
        TRACK.validate_python(each)


@PURE
@given(walk.walks(STEPS))
def test_each_edit_is_told_by_changes_that_lead_there_and_back(steps: list[walk.Step]) -> None:
    now = first()
    for step in steps:
        after = tried(now, step)

        found = changes.diff_contents(now, after)

        assert same(changes.apply_changes(now, found.forward), after)
        assert same(changes.apply_changes(after, found.inverse), now)
        now = after


CUTTING = ("delete_clip", "restore_clip", "delete_segment", "restore_segment", "delete_words")
CUTS = st.lists(
    st.tuples(st.sampled_from([*CUTTING, "restore_words"]), *[walk.NUMBERS] * 4),
    min_size=1,
    max_size=8,
)


def plainly(content: Content, operations: list[Any]) -> Any:
    """What the plain way makes of them, or the code of its refusal."""
    try:
        for each in operations:
            content = naive.apply(content, each)
    except EditError as exc:
        return exc.code
    return content


def at_once(content: Content, operations: list[Any]) -> Any:
    """What a draft makes of them, or the code of its refusal."""
    draft = Draft(content)
    try:
        for each in operations:
            each.apply(draft)
    except EditError as exc:
        return exc.code
    return draft.content()


IDS = {"id", "track_id"}


def unnamed(made: Any, before: Content) -> Any:
    """The same with numbers in the place of ids that were made up, in origins too."""
    if not isinstance(made, Content):
        return made
    names = {each["id"]: each["id"] for each in [*before.tracks, *all_clips(before.tracks)]}

    def named(value: Any) -> Any:
        if isinstance(value, list):
            return [named(each) for each in value]
        if not isinstance(value, dict):
            return value
        ids = {name: names.setdefault(value[name], str(len(names))) for name in IDS & value.keys()}
        return {name: named(each) for name, each in value.items()} | ids

    return named(made.tracks), made.segments


@PURE
@given(walk.walks(15), CUTS)
def test_cuts_are_what_the_plain_way_makes(steps: list[walk.Step], cuts: list[walk.Step]) -> None:
    now = first()
    for step in steps:
        now = tried(now, step)
    wanted = [walk.operation(now, MEDIA, step) for step in cuts]
    some = operations.Operations.model_validate({"operations": wanted}).operations

    assert unnamed(at_once(now, some), now) == unnamed(plainly(now, some), now)


@examples(150, 20_000)
@given(walk.walks(15), walk.walks(8))
def test_one_request_makes_what_many_make(steps: list[walk.Step], wanted: list[walk.Step]) -> None:
    before = first()
    for step in steps:
        before = tried(before, step)
    some = [one for step in wanted for one in allowed(walk.operation(before, MEDIA, step))]
    now: Any = before
    for each in some:
        now = at_once(now, [each]) if isinstance(now, Content) else now

    assert unnamed(at_once(before, some), before) == unnamed(now, before)


def allowed(wanted: dict[str, Any]) -> list[Any]:
    """The operation, unless its shape is wrong."""
    try:
        return operations.Operations.model_validate({"operations": [wanted]}).operations
    except ValueError:
        return []


@PURE
@given(walk.walks(STEPS))
def test_nothing_is_mutated(steps: list[walk.Step]) -> None:
    now = first()
    for step in steps:
        before = bson.encode({"tracks": now.tracks, "segments": now.segments})
        after = tried(now, step)

        assert bson.encode({"tracks": now.tracks, "segments": now.segments}) == before
        now = after


@pytest.fixture
def recording(make_media: Any, user: User) -> MediaFile:
    made: MediaFile = make_media(type=MediaType.VIDEO, duration_ms=6000)
    return made


@pytest.mark.django_db
@STORED
@given(steps=walk.walks(STEPS))
def test_what_is_stored_stays_right_and_all_is_undone_and_redone(
    steps: list[walk.Step],
    user: User,
    recording: MediaFile,
    edls: Collection[dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two processes edit in turn, each with what it keeps."""
    project = authoring.create(user_id=user.pk, fields={"name": "Walk"})
    key = {"project_id": project.pk, "user_id": user.pk}

    def stored() -> dict[str, Any]:
        found = edls.find_one({"project_id": str(project.pk)})
        assert found is not None
        return found

    def kept() -> bytes:
        document = {"captions_style": None, **stored()}
        parts = ("settings", "tracks", "transcript", "captions_style")
        return bson.encode({name: document[name] for name in parts})

    _begin(project, recording)
    history = [kept()]
    processes: list[SessionCache[session.Session]] = [SessionCache(), SessionCache()]
    for step in steps:
        monkeypatch.setattr(session, "SESSIONS", processes[step[1] % 2])
        document = stored()
        now = Content(document["tracks"], document["transcript"]["segments"])
        wanted = walk.operation(now, str(recording.pk), step)
        try:
            parsed = operations.Operations.model_validate({"operations": [wanted]}).operations
            named = frozenset([document["version"]]) if step[2] % 2 else None
            edited = editing.apply_operations(**key, versions=named, operations=parsed)
        except (ValueError, APIException):
            assert stored() == document
            continue
        check_stored(stored())
        assert edited.version == stored()["version"]
        if edited.version != document["version"]:
            history.append(kept())
            check_kept(session.SESSIONS.get((project.pk, user.pk)), stored())
        assert edited.undo_depth == len(stored()["undo_stack"]) == len(history) - 1

    for before in reversed(history[:-1]):
        editing.undo_edit(**key)
        assert kept() == before
        check_stored(stored())
        check_kept(session.SESSIONS.get((project.pk, user.pk)), stored())
    with pytest.raises(editing.NothingToUndoProblem):
        editing.undo_edit(**key)
    for after in history[1:]:
        editing.redo_edit(**key)
        assert kept() == after
        check_stored(stored())
        check_kept(session.SESSIONS.get((project.pk, user.pk)), stored())
    with pytest.raises(editing.NothingToRedoProblem):
        editing.redo_edit(**key)


def check_kept(kept: session.Session | None, document: dict[str, Any]) -> None:
    """What a process keeps is what it has just stored, and as large at most as it says."""
    assert kept is not None
    assert (kept.version, kept.is_current) == (document["version"], False)
    assert kept.made_at == document["updated_at"]
    assert kept.duration_ms == document["settings"]["duration_ms"]
    assert kept.content.captions_style == document.get("captions_style")
    if kept.has_tracks:
        assert kept.content.tracks == document["tracks"]
        assert rules.bytes_of(document["tracks"]) <= kept.tracks_bytes + rules.UNMEASURED_BYTES
    if kept.has_segments:
        segments = document["transcript"]["segments"]
        full = [each if "words" in each else None for each in kept.content.segments]
        assert [each["id"] for each in kept.content.segments] == [s["id"] for s in segments]
        assert all(each in (None, other) for each, other in zip(full, segments, strict=True))
        assert kept.transcript_bytes == document["transcript_bytes"]
    for mine, name in ((kept.stacks.undo, "undo_stack"), (kept.stacks.redo, "redo_stack")):
        assert [each["bytes"] for each in mine] == [each["bytes"] for each in document[name]]
        assert all(list(each) == ["bytes"] for each in mine)


def _begin(project: Project, recording: MediaFile) -> None:
    """Have the recording transcribed."""
    said = [segment("", 200, "one two three"), segment("", 2500, "four five six seven")]
    transcript.merge_transcript(
        project_id=project.pk,
        user_id=project.user_id,
        media_file_id=recording.pk,
        job_id=uuid.uuid4(),
        segments=said,
    )
