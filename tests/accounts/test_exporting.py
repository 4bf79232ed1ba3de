"""`/users/me/export`: one archive of all that is a user's, made by a worker, part by part."""

import io
import json
import uuid
import zipfile
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import requests
from django.db.models.functions import Now
from django.utils import timezone
from pytest_django import DjangoCaptureOnCommitCallbacks
from rest_framework.test import APIClient

from accounts.exporting import archive, deletion, worker
from accounts.exporting.states import EXPORTS
from accounts.models import AccountExport, ExportStatus, User
from auteur.core import personal_data
from auteur.core.personal_data import Listing, PersonalDataSource
from jobs.models import Job
from jobs.retention import sweeping
from media import orphans
from media.consents.models import Consent, ConsentKind, ConsentStatus
from media.consents.records import record_consent
from media.consents.revocation import revoke_consent
from media.models import MediaFile, VoiceClone
from media.storage import ObjectMissingError, ObjectStorage, multipart
from projects import edl
from projects.models import Project
from tests.jobs.walk import number_all
from tests.media.conftest import (  # noqa: F401
    filesystem_storage,
    http_server,
    s3_server,
    s3_storage,
    served,
    storage,
    use_s3,
)
from tests.media.consents.conftest import follow

pytestmark = pytest.mark.django_db

PART_BYTES = 5 * 1024**2
"""The least that S3 takes."""
CONTENT = bytes(range(256)) * 4096 * 7


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(multipart, "PART_BYTES", PART_BYTES)
    monkeypatch.setattr(archive, "READ_BYTES", 1024**2)


@pytest.fixture
def begin(api: APIClient) -> Callable[..., AccountExport]:
    """Ask for an export."""

    def ask(*include: str) -> AccountExport:
        answer = api.post("/users/me/export", {"include": include}, format="json")
        assert answer.status_code == 202, answer.content
        return AccountExport.objects.get(pk=answer.json()["id"])

    return ask


@pytest.fixture
def film(user: User, make_media: Callable[..., MediaFile], storage: ObjectStorage) -> MediaFile:  # noqa: F811
    """Seven megabytes, in a project."""
    project = Project.objects.create(user=user, name="Holiday")
    media = make_media(name="talk: 1/2.wav", project=project, file_size_bytes=len(CONTENT))
    storage.write(media.r2_key, CONTENT, "audio/wav")
    return media


def unpacked(api: APIClient) -> zipfile.ZipFile:
    """The archive, as its user gets it."""
    body = api.get("/users/me/export").json()
    assert (body["status"], body["progress"]) == ("ready", 1.0)
    content = requests.get(body["download_url"], timeout=30).content
    assert len(content) == body["size_bytes"]
    result = zipfile.ZipFile(io.BytesIO(content))
    assert result.testzip() is None
    return result


def lines(result: zipfile.ZipFile, name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.read(f"{name}.jsonl").splitlines()]


def test_an_archive_holds_what_is_the_users(
    storage: ObjectStorage,  # noqa: F811
    api: APIClient,
    user: User,
    film: MediaFile,
    make_job: Callable[..., Job],
    begin: Callable[..., AccountExport],
    make_user: Callable[..., User],
) -> None:
    job = make_job()
    number_all()
    VoiceClone.objects.create(
        user=user, name="Mine", sample_r2_key="users/x/voices/y/sample", consent_statement="Yes"
    )
    Project.objects.create(user=make_user(), name="Another's")
    export = begin("media")
    worker.run_export(export.pk)

    result = unpacked(api)
    (profile,) = lines(result, "profile")
    assert (profile["email"], "password" in profile) == (user.email, False)
    (project,) = lines(result, "projects")
    edited = edl.read_edl(project_id=film.project_id, user_id=user.pk)
    assert (project["name"], project["edl"]["version"]) == ("Holiday", edited["version"])
    assert {media["id"] for media in lines(result, "media")} >= {str(film.pk)}
    assert [voice["consent_statement"] for voice in lines(result, "voices")] == ["Yes"]
    assert [line["id"] for line in lines(result, "jobs")] == [str(job.pk)]
    assert [event["type"] for event in lines(result, "events")] == ["job.requested"]
    assert [line["amount"] for line in lines(result, "transactions")] != []
    assert result.read(f"media/{film.pk}/talk 1 2.wav") == CONTENT
    manifest = json.loads(result.read("manifest.json"))
    assert manifest["rows"]["projects"] == 1
    # Its own file, of which there is a row alone.
    assert [path.partition("/")[0] for path in manifest["missing"]] == ["media"]


def test_files_are_in_it_for_who_wants_them(
    storage: ObjectStorage,  # noqa: F811
    api: APIClient,
    film: MediaFile,
    begin: Callable[..., AccountExport],
) -> None:
    export = begin()
    worker.run_export(export.pk)
    names = unpacked(api).namelist()
    assert not [name for name in names if name.startswith("media/")]


def test_no_more_is_in_memory_than_a_part_and_a_stretch(
    storage: ObjectStorage,  # noqa: F811
    film: MediaFile,
    begin: Callable[..., AccountExport],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sizes: list[int] = []
    whole = type(storage).write_part

    def write_part(self: Any, key: str, upload: str, number: int, content: bytes) -> None:
        sizes.append(len(content))
        whole(self, key, upload, number, content)

    monkeypatch.setattr(type(storage), "write_part", write_part)
    worker.run_export(begin("media").pk)
    assert sizes[0] == PART_BYTES
    assert len(sizes) == 2
    # A hundred gigabytes come in as many parts as S3 joins, of sixteen megabytes.
    monkeypatch.undo()
    assert multipart.choose_part_bytes(100 * 1000**3, worker.MAX_PARTS) == 16 * 1024**2


class TestKills:
    def test_who_dies_leaves_nothing_and_another_makes_it(
        self,
        storage: ObjectStorage,  # noqa: F811
        api: APIClient,
        film: MediaFile,
        begin: Callable[..., AccountExport],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        class KilledError(BaseException):
            pass

        export = begin("media")
        read, reads = type(storage).read_range, 0

        def dies(self: Any, *values: Any) -> bytes:
            nonlocal reads
            reads += 1
            if reads == 6:
                raise KilledError
            return bytes(read(self, *values))

        monkeypatch.setattr(type(storage), "read_range", dies)
        with pytest.raises(KilledError):
            worker.run_export(export.pk)
        half = AccountExport.objects.get(pk=export.pk)
        assert half.upload_id
        assert len(storage.list_stored_parts(half.object_key, half.upload_id)) == 1
        EXPORTS.requeue(EXPORTS.list_claimed_rows(), timedelta(0))

        worker.run_export(export.pk)
        assert unpacked(api).read(f"media/{film.pk}/talk 1 2.wav") == CONTENT
        with pytest.raises(ObjectMissingError):
            storage.list_stored_parts(half.object_key, half.upload_id)

    def test_the_last_try_leaves_nothing_either(
        self,
        storage: ObjectStorage,  # noqa: F811
        api: APIClient,
        begin: Callable[..., AccountExport],
    ) -> None:
        export = begin()
        upload_id = storage.begin_parts(export.object_key, content_type="application/zip")
        AccountExport.objects.filter(pk=export.pk).update(upload_id=upload_id, tries=2)
        EXPORTS.claim(export.pk)
        EXPORTS.requeue(EXPORTS.list_claimed_rows(), timedelta(0))
        assert api.get("/users/me/export").json()["status"] == "failed"
        assert (deletion.sweep_exports(), deletion.sweep_exports()) == (1, 0)
        with pytest.raises(ObjectMissingError):
            storage.list_stored_parts(export.object_key, upload_id)

    def test_a_file_that_goes_meanwhile_is_named(
        self,
        storage: ObjectStorage,  # noqa: F811
        api: APIClient,
        film: MediaFile,
        begin: Callable[..., AccountExport],
    ) -> None:
        storage.delete(film.r2_key)
        worker.run_export(begin("media").pk)
        manifest = json.loads(unpacked(api).read("manifest.json"))
        assert manifest["missing"] == [f"media/{film.pk}/talk 1 2.wav"]


class TestOneAtATime:
    def test_one_that_is_open_is_waited_for(
        self, api: APIClient, begin: Callable[..., AccountExport]
    ) -> None:
        begin()
        answer = api.post("/users/me/export", {}, format="json")
        assert (answer.status_code, answer.json()["code"]) == (409, "export_open")

    def test_the_next_takes_the_place_of_the_last(
        self,
        filesystem_storage: ObjectStorage,  # noqa: F811
        api: APIClient,
        begin: Callable[..., AccountExport],
        django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
    ) -> None:
        first = begin()
        worker.run_export(first.pk)
        assert filesystem_storage.head(first.object_key).size_bytes
        with django_capture_on_commit_callbacks(execute=True):
            second = begin()
        assert second.pk != first.pk
        with pytest.raises(ObjectMissingError):
            filesystem_storage.head(first.object_key)

    def test_one_that_is_taken_back_is_not_made(
        self,
        filesystem_storage: ObjectStorage,  # noqa: F811
        api: APIClient,
        user: User,
        begin: Callable[..., AccountExport],
        monkeypatch: pytest.MonkeyPatch,
        django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
    ) -> None:
        export = begin()

        def takes_back(user_id: uuid.UUID) -> Any:
            with django_capture_on_commit_callbacks(execute=True):
                assert api.delete("/users/me/export").status_code == 204
            yield {"late": True}

        late = PersonalDataSource(
            "late", {}, erase=lambda _: (), listings=(Listing("late", takes_back),)
        )
        monkeypatch.setattr(personal_data, "_sources", [late])
        worker.run_export(export.pk)
        assert api.get("/users/me/export").status_code == 404
        assert filesystem_storage.list_objects(f"users/{user.pk}/") == []
        assert filesystem_storage.list_unfinished(before=timezone.now() + timedelta(hours=1)) == []

    def test_others_see_none_of_it(
        self, begin: Callable[..., AccountExport], client_of: Any, make_user: Any
    ) -> None:
        begin()
        other = client_of(make_user())
        assert other.get("/users/me/export").status_code == 404
        assert other.delete("/users/me/export").status_code == 404

    @pytest.mark.parametrize("include", [["everything"], ["media", "media"], "media", 7])
    def test_what_is_no_part_of_it_is_refused(self, api: APIClient, include: Any) -> None:
        answer = api.post("/users/me/export", {"include": include}, format="json")
        assert answer.status_code == 400
        assert not AccountExport.objects.exists()


class TestKeeping:
    def test_it_goes_when_its_days_are_over(
        self,
        filesystem_storage: ObjectStorage,  # noqa: F811
        begin: Callable[..., AccountExport],
        settings: Any,
        django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
    ) -> None:
        export = begin()
        worker.run_export(export.pk)
        export.refresh_from_db()
        kept = export.expires_at - export.finished_at
        assert kept == timedelta(days=settings.EXPORT_DAYS)
        assert deletion.sweep_exports() == 0
        AccountExport.objects.update(expires_at=Now())
        with django_capture_on_commit_callbacks(execute=True):
            assert deletion.sweep_exports() == 1
        assert not AccountExport.objects.exists()
        assert filesystem_storage.list_page("", 10) == []
        assert deletion.sweep_exports in [sweep.remove for sweep in sweeping.SWEEPS]

    def test_one_that_never_comes_is_given_up(
        self,
        begin: Callable[..., AccountExport],
        django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
    ) -> None:
        begin()
        AccountExport.objects.update(created_at=Now() - deletion.LONGEST)
        with django_capture_on_commit_callbacks(execute=True):
            assert deletion.sweep_exports() == 1

    def test_the_archive_is_nobodys_once_its_row_is_gone(
        self,
        filesystem_storage: ObjectStorage,  # noqa: F811
        begin: Callable[..., AccountExport],
    ) -> None:
        export = begin()
        worker.run_export(export.pk)
        later = timezone.now() + timedelta(days=3)
        page = filesystem_storage.list_page("", 10)
        assert orphans.list_orphans(page, before=later) == []
        AccountExport.objects.filter(pk=export.pk).delete()
        assert [one.key for one in orphans.list_orphans(page, before=later)] == [export.object_key]


class TestRevokedConsents:
    """What people no longer agree to is in no archive either."""

    @pytest.fixture
    def consent(self, user: User, film: MediaFile) -> Consent:
        return record_consent(
            user_id=user.pk, kind=ConsentKind.FACE, subject="Ann", media_ids=[film.pk]
        )

    @pytest.fixture
    def storage(self, filesystem_storage: ObjectStorage) -> ObjectStorage:  # noqa: F811
        return filesystem_storage

    def test_an_archive_is_given_to_nobody_at_once_and_then_removed(
        self,
        storage: ObjectStorage,  # noqa: F811
        api: APIClient,
        consent: Consent,
        begin: Callable[..., AccountExport],
    ) -> None:
        export = begin("media")
        worker.run_export(export.pk)
        size = storage.head(export.object_key).size_bytes
        # Nothing is done after commit: the walk does without.
        assert api.post(f"/consents/{consent.pk}/revoke").status_code == 202
        assert api.get("/users/me/export").status_code == 404
        assert storage.head(export.object_key)

        follow(consent)
        assert storage.list_page("", 10) == []
        told = api.get(f"/consents/{consent.pk}/receipt").json()["objects"]
        (one,) = [one for one in told if one["kind"] == "export"]
        assert (one["id"], one["key"]) == (str(export.pk), export.object_key)
        assert one["size_bytes"] == size
        assert one["removed_at"] is not None

    def test_one_in_the_making_stops(
        self,
        storage: ObjectStorage,  # noqa: F811
        api: APIClient,
        consent: Consent,
        begin: Callable[..., AccountExport],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        export = begin("media")

        def revokes(user_id: uuid.UUID) -> Any:
            api.post(f"/consents/{consent.pk}/revoke")
            yield {"late": True}

        late = PersonalDataSource(
            "late", {}, erase=lambda _: (), listings=(Listing("late", revokes),)
        )
        monkeypatch.setattr(personal_data, "_sources", [late])
        worker.run_export(export.pk)
        assert api.get("/users/me/export").status_code == 404
        assert storage.list_objects(f"users/{export.user_id}/exports/") == []
        assert storage.list_unfinished(before=timezone.now() + timedelta(hours=1)) == []

    def test_one_that_was_asked_for_before_all_was_gone_goes_too(
        self,
        storage: ObjectStorage,  # noqa: F811
        api: APIClient,
        consent: Consent,
        begin: Callable[..., AccountExport],
    ) -> None:
        revoke_consent(consent=consent)
        worker.run_export(begin("media").pk)
        follow(consent)
        assert api.get("/users/me/export").status_code == 404
        worker.run_export(begin("media").pk)
        assert follow(consent).status == ConsentStatus.REMOVED
        assert api.get("/users/me/export").json()["status"] == "ready"

    def test_what_its_worker_puts_too_late_is_removed_when_the_walk_looks_again(
        self,
        storage: ObjectStorage,  # noqa: F811
        consent: Consent,
        begin: Callable[..., AccountExport],
    ) -> None:
        export = begin("media")
        revoke_consent(consent=consent)
        follow(consent)
        storage.write(export.object_key, CONTENT, "application/zip")
        assert follow(consent).status == ConsentStatus.REMOVED
        assert storage.list_page("", 10) == []

    def test_others_keep_theirs(self, consent: Consent, make_user: Callable[..., User]) -> None:
        other = AccountExport.objects.create(user=make_user())
        revoke_consent(consent=consent)
        assert AccountExport.objects.filter(pk=other.pk).exists()


def test_a_storage_that_is_away_costs_no_try(
    begin: Callable[..., AccountExport],
    use_s3: Callable[..., Any],  # noqa: F811
) -> None:
    use_s3("http://127.0.0.1:9")
    export = begin()
    worker.run_export(export.pk)
    export.refresh_from_db()
    assert (export.status, export.tries) == (ExportStatus.WAITING, 0)
