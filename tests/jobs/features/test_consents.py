"""Consents that are revoked while jobs come, run and deliver: with real transactions at once."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier, Event
from typing import Any
from uuid import UUID

import pytest
from django.db import connections, transaction
from django.db.models.functions import Now
from rest_framework.test import APIClient

from accounts.models import User
from credits import ledger
from jobs import lifecycle, tasks, workflow
from jobs.audit import ledger_audit
from jobs.calls.backends import local
from jobs.features import files
from jobs.models import Attempt, Job
from jobs.orchestrator import admission
from jobs.states import FINALIZE, AttemptState, JobStatus
from media import verification
from media.consents import removal_worker
from media.consents.models import Consent, ConsentKind, ConsentStatus, Removal, RemovedKind
from media.consents.records import record_consent
from media.consents.revocation import revoke_consent
from media.models import MediaFile
from media.storage import object_storage
from tests.gpu_tasks.films import make_film
from tests.jobs.features.conftest import finish
from tests.jobs.walk import WORKER

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def film(bring: Callable[..., MediaFile], tmp_path: Path) -> MediaFile:
    return bring(make_film(tmp_path / "interview.mp4"), "video/mp4")


@pytest.fixture
def consent(user: User, film: MediaFile) -> Consent:
    return record_consent(
        user_id=user.pk, kind=ConsentKind.FACE, subject="Ann", media_ids=[film.pk]
    )


def submit(api: APIClient, film: MediaFile) -> UUID:
    answer = api.post("/jobs/stills", {"video_media_id": str(film.pk)}, format="json")
    assert answer.status_code == 202, answer.content
    return UUID(answer.json()["job_id"])


def collected(job_id: UUID) -> Attempt:
    """The job's attempt, which waits to be delivered."""
    admission.admit_all()
    attempt = Attempt.objects.get(job_id=job_id)
    workflow.prepare([attempt.pk])
    workflow.dispatch([attempt.pk])
    attempt.refresh_from_db()
    local.run(UUID(attempt.call_id or ""))
    workflow.collect([attempt.pk])
    attempt.refresh_from_db()
    assert attempt.state == AttemptState.COLLECTED
    return attempt


def follow(consent: Consent) -> Consent:
    Consent.objects.filter(pk=consent.pk, due_at__isnull=False).update(due_at=Now())
    removal_worker.run_removal(consent.pk)
    return Consent.objects.get(pk=consent.pk)


def nothing_is_left(user: User) -> None:
    assert object_storage().list_objects(f"users/{user.pk}/") == []
    assert not MediaFile.objects.exists()
    assert not Removal.objects.filter(removed_at=None).exists()
    assert ledger_audit.check().total == 0
    assert verification.verify_storage().total == 0


def test_a_delivery_that_was_faster_is_waited_for(
    api: APIClient, user: User, film: MediaFile, consent: Consent
) -> None:
    """Its media are rows that nobody else sees yet while all else is removed."""
    attempt = collected(submit(api, film))
    lifecycle.claim(step=FINALIZE, attempt_ids=[attempt.pk], worker=WORKER)
    stored, go = Event(), Event()

    def deliver() -> None:
        try:
            with transaction.atomic():
                job = Job.objects.get(pk=attempt.job_id)
                files.store_media(job, attempt.result or {})
                stored.set()
                assert go.wait(30)
            lifecycle.complete(attempt_ids=[attempt.pk], worker=WORKER)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as threads:
        delivering = threads.submit(deliver)
        assert stored.wait(30)
        revoke_consent(consent=consent)
        waiting = follow(consent)
        assert (waiting.status, waiting.finished_at) == (ConsentStatus.REVOKED, None)
        go.set()
        delivering.result(30)
    [media_file] = MediaFile.objects.all()
    assert api.get(f"/media/{media_file.pk}").json()["download_url"]

    assert follow(consent).finished_at is not None
    nothing_is_left(user)
    body = api.get(f"/jobs/{attempt.job_id}").json()
    assert (body["status"], body["credits_refunded"]) == ("completed", False)
    assert [media["download_url"] for media in body["output_data"]["media"]] == [None]
    assert follow(consent).status == ConsentStatus.REMOVED


def test_a_delivery_that_comes_later_is_refused_and_refunded(
    api: APIClient, user: User, film: MediaFile, consent: Consent
) -> None:
    attempt = collected(submit(api, film))
    revoke_consent(consent=consent)
    tasks.finalize.apply(args=[[str(attempt.pk)]])
    assert MediaFile.objects.count() == 1  # the film, which is not usable any more
    attempt.refresh_from_db()
    assert (attempt.state, attempt.error_code) == (AttemptState.FAILED, "CANCELLED")
    job = Job.objects.get()
    assert (job.status, job.error_code) == (JobStatus.FAILED, "CANCELLED")
    assert ledger.get_balance(user_id=user.pk) == 100

    follow(consent)
    nothing_is_left(user)
    [removal] = Removal.objects.filter(kind=RemovedKind.OUTPUT)
    assert (removal.object_id, removal.key.rpartition("/")[2]) == (job.pk, "result-0.png")


def test_submissions_at_the_same_time_are_refused_or_stopped(
    user: User, film: MediaFile, consent: Consent, client_of: Callable[[User], APIClient]
) -> None:
    together = Barrier(5)

    def ask() -> int:
        try:
            api = client_of(user)
            together.wait(30)
            body = {"video_media_id": str(film.pk)}
            return int(api.post("/jobs/stills", body, format="json").status_code)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as threads:
        request_data = [threads.submit(ask) for _ in range(4)]
        together.wait(30)
        revoke_consent(consent=consent)
        answers = [first.result(30) for first in request_data]
    assert set(answers) <= {202, 404, 422}
    follow(consent)
    stopped = Job.objects.filter(status=JobStatus.CANCELLED, credits_refunded=True)
    assert stopped.count() == answers.count(202) == Job.objects.count()
    assert ledger.get_balance(user_id=user.pk) == 100
    nothing_is_left(user)


def test_what_its_user_has_deleted_goes_with_what_its_job_has_found_out(
    api: APIClient, user: User, film: MediaFile, consent: Consent
) -> None:
    finish(submit(api, film))
    MediaFile.objects.filter(origin__isnull=False).delete()  # its object has been left behind
    revoke_consent(consent=consent)
    follow(consent)
    nothing_is_left(user)
    output_data = api.get(f"/jobs/{Job.objects.get().pk}").json()["output_data"]
    assert set(output_data) == {"engine", "media"}


def test_segments_that_another_open_render_reads_stay(
    api: APIClient, user: User, film: MediaFile, consent: Consent, make_job: Callable[[], Job]
) -> None:
    folder = f"users/{user.pk}/renders/{film.pk}"
    shared, own = f"{folder}/shared.stretch", f"{folder}/own.stretch"
    for key in (shared, own):
        object_storage().write(key, b"x", "application/octet-stream")
    affected, other = submit(api, film), make_job()
    admission.admit_all()

    def write(key: str) -> dict[str, Any]:
        return {"write": {"key": key, "content_type": "application/octet-stream"}}

    Attempt.objects.filter(job_id=affected).update(payload={"made": [write(shared), write(own)]})
    read = {"read": {"key": shared, "name": "shared.stretch"}}
    Attempt.objects.filter(job=other).update(payload={"ready": [read]})
    revoke_consent(consent=consent)
    follow(consent)
    assert [stored_object.key for stored_object in object_storage().list_objects(f"{folder}/")] == [
        shared
    ]
    assert Removal.objects.get(kind=RemovedKind.SEGMENT).key == own
    other.refresh_from_db()
    assert other.status == JobStatus.PENDING
