"""No byte outside the books: what signed URLs still write when their rows are gone is found."""

import random
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from io import BytesIO, StringIO
from typing import Any

import pytest
import requests
from django.core.management import call_command
from django.db.models.functions import Now
from django.utils import timezone
from pytest_django import DjangoCaptureOnCommitCallbacks
from rest_framework.test import APIClient

from accounts.models import User
from jobs import lifecycle
from jobs.calls.backends.models import LocalCall, LocalCallState
from jobs.models import Attempt, Job
from jobs.states import AttemptState
from media import orphans, verification
from media.models import DerivationStatus, MediaFile, MediaStatus, StorageWalk, VoiceClone
from media.storage import ObjectMissingError, ObjectStorage, object_storage
from media.storage.filesystem import SignedFileSystemStorage
from media.storage.s3 import PresignedS3Storage
from projects.models import Project
from projects.rendering import folders
from tests.jobs.walk import bring_to
from tests.media.conftest import send

pytestmark = pytest.mark.django_db

KIND = "application/octet-stream"


@dataclass(frozen=True)
class Case:
    """A key that a URL was signed for, and how its owner goes."""

    key: str
    end: Callable[[], object]
    expects: bool = True


@pytest.fixture
def delete(
    api: APIClient, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> Callable[[str], None]:
    """Delete by the API, objects and all."""

    def request(path: str) -> None:
        with django_capture_on_commit_callbacks(execute=True):
            assert api.delete(path).status_code == 204

    return request


@pytest.fixture
def running(make_job: Callable[..., Job]) -> Callable[[str], tuple[Attempt, str]]:
    """An attempt whose call runs and writes to a key."""

    def make(form: str, project: Project | None = None) -> tuple[Attempt, str]:
        attempt = bring_to(make_job(), AttemptState.RUNNING)
        job = attempt.job
        Job.objects.filter(pk=job.pk).update(project=project)
        key = form.format(user=job.user_id, job=job.pk, attempt=attempt.pk)
        payload = {"results": [{"write": {"key": key, "content_type": KIND}}]}
        Attempt.objects.filter(pk=attempt.pk).update(payload=payload)
        return attempt, key

    return make


RESULT = "users/{user}/jobs/{job}/{attempt}/result-0.mp4"


@pytest.fixture
def case(request: pytest.FixtureRequest, storage: ObjectStorage, user: User) -> Case:
    """The owner that the test is about."""
    get = request.getfixturevalue
    make: dict[str, Callable[[], Case]] = {
        "upload": lambda: an_upload(
            get("ask"), get("delete"), "/projects/{project}/media/{id}/upload"
        ),
        "project": lambda: an_upload(get("ask"), get("delete"), "/projects/{project}"),
        "media": lambda: of_media(get("ready")(), get("delete"), "r2_key"),
        "derivative": lambda: of_media(get("ready")(), get("delete"), "peaks_r2_key"),
        "voice": lambda: a_voice(get("api"), get("delete")),
        "job result": lambda: a_result(get("running")),
        "local call": lambda: a_local_call(get("running")),
        "stretch": lambda: a_stretch(get("running"), get("project"), get("delete")),
        "timeline": lambda: a_timeline(get("project"), get("delete")),
    }
    return make[request.param]()


def an_upload(ask: Any, delete: Any, path: str) -> Case:
    media = MediaFile.objects.get(pk=ask()["media_id"])
    url = path.format(project=media.project_id, id=media.pk)
    return Case(media.r2_key, lambda: delete(url))


def of_media(media: MediaFile, delete: Any, column: str) -> Case:
    key = media.r2_key if column == "r2_key" else media.derived_keys()[column]
    return Case(key, lambda: delete(f"/media/{media.pk}"), expects=False)


def a_voice(api: APIClient, delete: Any) -> Case:
    body = {"name": "Mine", "content_type": "audio/wav", "consent": True}
    voice = VoiceClone.objects.get(pk=api.post("/voices", body, format="json").json()["voice_id"])
    return Case(voice.sample_r2_key, lambda: delete(f"/voices/{voice.pk}"))


def a_result(running: Any) -> Case:
    attempt, key = running(RESULT)
    return Case(key, lambda: lifecycle.cancel(job_id=attempt.job_id, by="user"))


def a_local_call(running: Any) -> Case:
    attempt, key = running(RESULT)
    LocalCall.objects.create(
        attempt_id=attempt.pk,
        function="tts",
        engine="draft",
        queue="gpu.cpu",
        payload={},
        state=LocalCallState.RUNNING,
    )
    return Case(key, lambda: lifecycle.requeue_job(job_id=attempt.job_id, by="staff"))


def a_stretch(running: Any, project: Project, delete: Any) -> Case:
    _, key = running(folders.get_segment_key(project, "a" * 40), project)
    return Case(key, lambda: delete(f"/projects/{project.pk}"))


def a_timeline(project: Project, delete: Any) -> Case:
    key = folders.get_timeline_key(project, "b" * 40)
    return Case(key, lambda: delete(f"/projects/{project.pk}"), expects=False)


def put(url: str) -> requests.Response:
    return requests.put(url, b"late", headers={"Content-Type": KIND}, timeout=10)


def is_there(key: str) -> bool:
    try:
        object_storage().head(key)
    except ObjectMissingError:
        return False
    return True


@pytest.fixture
def all_is_old(monkeypatch: pytest.MonkeyPatch) -> None:
    """Objects of now are older than any URL."""
    for module in (orphans, verification):
        monkeypatch.setattr(module, "MAX_WRITE_LIFETIME", timedelta(seconds=-5))


def turn() -> int:
    """A turn, though the last was just now."""
    StorageWalk.objects.update(next_at=Now())
    return orphans.sweep_orphans()


ALL = [
    "upload",
    "project",
    "media",
    "derivative",
    "voice",
    "job result",
    "local call",
    "stretch",
    "timeline",
]


@pytest.mark.parametrize("case", ALL, indirect=True)
def test_what_is_put_when_its_owner_is_gone_is_refused_or_found(
    case: Case, storage: ObjectStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = storage.presigned_put(case.key, content_type=KIND)
    served_by_us = isinstance(storage, SignedFileSystemStorage)
    if case.expects or not served_by_us:
        assert put(url).status_code == 200
    case.end()

    answer = put(url)

    if served_by_us:
        assert answer.status_code in (404, 409)
        assert answer.headers["Content-Type"] == "application/problem+json"
        storage.delete(case.key)
        assert put(url).status_code in (404, 409)
        assert not is_there(case.key)
        storage.write(case.key, b"late", KIND)  # as a worker that was cut off
    else:
        assert answer.status_code == 200
    assert orphans.sweep_orphans() == 0  # somebody may still be at it
    for module in (orphans, verification):
        monkeypatch.setattr(module, "MAX_WRITE_LIFETIME", timedelta(seconds=-5))
    assert verification.verify_storage().broken["object_without_row"] == 1
    assert (turn(), turn()) == (1, 0)
    assert not is_there(case.key)


@pytest.mark.parametrize("case", ["upload", "voice", "job result", "stretch"], indirect=True)
def test_what_is_expected_is_not_removed(
    case: Case, storage: ObjectStorage, all_is_old: None
) -> None:
    assert put(storage.presigned_put(case.key, content_type=KIND)).status_code == 200
    assert turn() == 0
    assert is_there(case.key)


def test_of_attempts_without_a_result_only_what_a_row_names_stays(
    filesystem_storage: SignedFileSystemStorage, running: Any, make_media: Any, all_is_old: None
) -> None:
    keys = {}
    for fate in ("media", "output", "nothing"):
        attempt, keys[fate] = running(RESULT)
        filesystem_storage.write(keys[fate], b"abc", KIND)
        lifecycle.expire(job_id=attempt.job_id)
        if fate == "output":
            Job.objects.filter(pk=attempt.job_id).update(output_data={"result_key": keys[fate]})
    make_media(r2_key=keys["media"])

    assert turn() == 1

    assert [is_there(key) for key in keys.values()] == [True, True, False]


def test_what_was_refused_is_not_sent_again(
    storage: ObjectStorage, ask: Any, confirm: Any, all_is_old: None
) -> None:
    upload = ask()
    send(upload, b"no film")
    media = MediaFile.objects.get(pk=upload["media_id"])
    assert confirm(media).status_code == 409

    again = send(upload, b"no film")

    if isinstance(storage, SignedFileSystemStorage):
        assert (again.status_code, again.json()["code"]) == (409, "not_expected")
    assert (is_there(media.r2_key), turn()) == (again.status_code == 200, again.status_code == 200)


def test_a_row_that_goes_while_its_bytes_come_takes_none(
    filesystem_storage: SignedFileSystemStorage, ask: Any
) -> None:
    upload = ask(size_bytes=8)
    media = MediaFile.objects.get(pk=upload["media_id"])

    class Body(BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell() == 4:
                media.delete()
            return super().read(4)

    headers = upload["headers"]
    answer = requests.put(upload["upload_url"], Body(b"halfhalf"), headers=headers, timeout=10)

    assert answer.status_code == 404
    assert not [first for first in filesystem_storage.root.rglob("*") if first.is_file()]


def test_a_part_is_not_sent_when_its_upload_is_over(
    filesystem_storage: SignedFileSystemStorage, ask: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("media.parts.MULTIPART_BYTES", 10)
    upload = ask(size_bytes=11)
    (part,) = upload["parts"]
    MediaFile.objects.update(status=MediaStatus.READY)

    answer = requests.put(part["upload_url"], b"x" * 11, timeout=10)

    assert (answer.status_code, answer.json()["code"]) == (409, "not_expected")


def test_a_url_to_write_to_lives_shorter_than_what_it_leaves(storage: ObjectStorage) -> None:
    longest = int(orphans.MAX_WRITE_LIFETIME.total_seconds())
    key = "users/1/media/2/source.mp4"
    assert storage.presigned_put(key, content_type=KIND, expires=longest)
    with pytest.raises(ValueError, match="too long"):
        storage.presigned_put(key, content_type=KIND, expires=longest + 1)
    with pytest.raises(ValueError, match="too long"):
        storage.presigned_part(key, "1", number=1, size_bytes=1, expires=longest + 1)


def strewn(
    dice: random.Random, user: User, running: Any, make_media: Any
) -> tuple[set[str], set[str]]:
    """Objects of all kinds: keys that are owned, and keys that are not."""
    owned, lost = set[str](), set[str]()
    for _ in range(dice.randint(3, 12)):
        status = dice.choice(list(MediaStatus))
        check_at = timezone.now() if status == MediaStatus.CHECKING else None
        media = make_media(
            status=status,
            check_at=check_at,
            file_size_bytes=3,
            r2_key=f"users/{user.pk}/media/{uuid.uuid4()}/source.mp4",
        )
        derived = media.derived_keys()
        thumbnail, peaks = derived["thumbnail_r2_key"], derived["peaks_r2_key"]
        done = dice.random() < 0.5
        if done:
            MediaFile.objects.filter(pk=media.pk).update(
                thumbnail_r2_key=thumbnail, derive_at=None, derivation_status=DerivationStatus.DONE
            )
        stored = status != MediaStatus.REJECTED
        (owned if stored else lost).update([media.r2_key, thumbnail])
        (owned if stored and not done else lost).add(peaks)
        voice = VoiceClone.objects.create(
            user=user,
            name="Mine",
            status=status,
            check_at=check_at,
            consent_statement="Yes",
            consented_at=Now(),
            file_size_bytes=3,
            sample_r2_key=f"users/{user.pk}/voices/{uuid.uuid4()}/sample.wav",
        )
        (owned if stored else lost).add(voice.sample_r2_key)
        lost.add(f"users/{uuid.uuid4()}/{dice.choice(['media', 'voices', 'jobs', 'renders'])}/x/y")
    for cancelled in (False, True):
        attempt, key = running(RESULT)
        (lost if cancelled else owned).add(key)
        lost.add(f"{key}.not-named")
        if cancelled:
            lifecycle.cancel(job_id=attempt.job_id, by="user")
    project = Project.objects.create(user=user, name="Kept")
    owned.add(folders.get_segment_key(project, "c" * 40))
    # In none of our folders: whoever put it there may need it.
    owned.update(["backups/yesterday.sql", "users/readme.txt", f"users/{user.pk}/else/1/2"])
    return owned, lost


@pytest.mark.parametrize(
    ("storage", "seed"),
    [("filesystem", 0), ("filesystem", 1), ("filesystem", 2), ("s3", 3)],
    indirect=["storage"],
)
def test_nothing_that_is_owned_is_ever_removed(
    seed: int,
    storage: ObjectStorage,
    user: User,
    running: Any,
    make_media: Any,
    monkeypatch: pytest.MonkeyPatch,
    all_is_old: None,
) -> None:
    dice = random.Random(seed)
    owned, lost = strewn(dice, user, running, make_media)
    for key in dice.sample(sorted(owned | lost), len(owned | lost)):
        storage.write(key, b"abc", KIND)
    monkeypatch.setattr(orphans, "PAGE_SIZE", dice.randint(1, 9))
    monkeypatch.setattr(orphans, "MAX_LISTINGS", dice.randint(1, 4))
    monkeypatch.setattr(orphans, "MAX_DELETIONS", dice.randint(1, 5))

    removed = [turn() for _ in range(len(owned | lost) + 3)]

    assert max(removed) <= orphans.MAX_DELETIONS
    assert sum(removed) == len(lost)
    assert {first.key for page in orphans.iterate_pages() for first in page} == owned
    results = verification.verify_storage().broken
    assert (results["object_without_row"], results["unknown_object"]) == (0, 3)


def test_a_listing_goes_on_in_the_order_of_keys(storage: ObjectStorage) -> None:
    keys = ["a", "a-b/c", "a.b", "a/b", "a/b-c", "a/c/d", "a0", "b/a", "b/a.x/y"]
    for key in keys:
        if key not in ("a", "a/b"):  # a file is no folder
            storage.write(f"users/{key}/end", b"abc", KIND)
    whole = [first.key for first in storage.list_page("", 1000)]
    assert whole == sorted(whole)
    for size in (1, 2, 3):
        pages, after = [], ""
        while page := storage.list_page(after, size):
            pages += [first.key for first in page]
            after = page[-1].key
        assert pages == whole
    assert {first.size_bytes for first in storage.list_page("", 1000)} == {3}


def test_a_turn_costs_so_many_requests(
    s3_storage: PresignedS3Storage, monkeypatch: pytest.MonkeyPatch, all_is_old: None
) -> None:
    for number in range(12):
        s3_storage.write(f"users/1/media/{number}/source.mp4", b"abc", KIND)
    monkeypatch.setattr(orphans, "PAGE_SIZE", 3)
    monkeypatch.setattr(orphans, "MAX_LISTINGS", 2)
    monkeypatch.setattr(orphans, "MAX_DELETIONS", 4)
    requests_made: list[str] = []
    s3_storage.client.meta.events.register(
        "before-send.s3", lambda request, **_: requests_made.append(request.method)
    )

    assert orphans.sweep_orphans() == 4
    assert (requests_made.count("GET"), requests_made.count("DELETE")) == (2, 4)
    requests_made.clear()
    assert (
        orphans.sweep_orphans() == 0
    )  # not yet: the minute is not over, for whichever orchestrator
    assert requests_made == []
    assert [turn() for _ in range(4)] == [4, 4, 0, 0]


def test_a_storage_that_is_away_is_asked_again_later(
    filesystem_storage: SignedFileSystemStorage, all_is_old: None, use_s3: Any, settings: Any
) -> None:
    filesystem_storage.write("users/1/media/2/source.mp4", b"abc", KIND)
    before = settings.STORAGES
    use_s3("http://127.0.0.1:9")
    with pytest.raises(orphans.STORAGE_ERRORS):
        turn()
    settings.STORAGES = before
    assert turn() == 1


def test_the_commands_tell_what_there_is(
    filesystem_storage: SignedFileSystemStorage, all_is_old: None
) -> None:
    def printed(*arguments: str) -> list[str]:
        out = StringIO()
        call_command("sweep", *arguments, stdout=out)
        lines = out.getvalue().splitlines()
        first = next(i for i, line in enumerate(lines) if line.startswith("objects"))
        return lines[first : first + 3]

    for key in ("users/1/media/2/source.mp4", "users/1/media/3/source.mp4", "users/1/jobs/2/3/x"):
        filesystem_storage.write(key, b"abc", KIND)
    output = ["  users/*/jobs/: 1, 3 bytes", "  users/*/media/: 2, 6 bytes"]
    assert printed("--dry-run") == ["objects without rows: 3 would be removed", *output]
    assert len(filesystem_storage.list_page("", 9)) == 3
    assert printed() == ["objects without rows: 3 found, 0 left", *output]
    assert filesystem_storage.list_page("", 9) == []
