"""What the orchestrator removes for good, and what it must not: calls, objects, and the command."""

import logging
import uuid
from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import OperationalError
from django.db.models.functions import Now

from gpu_tasks.runtime.backends.models import LocalCall, LocalCallState
from jobs import lifecycle
from jobs.features.registry import features
from jobs.models import Attempt, Job
from jobs.orchestrator import loop, sweeping
from jobs.states import AttemptState
from media.models import MediaFile
from media.storage import ObjectMissingError, object_storage
from tests.jobs.walk import bring_to

pytestmark = pytest.mark.django_db

MARGIN = timedelta(seconds=30)
MakeJob = Callable[..., Job]


def a_call(attempt_id: uuid.UUID, ended: timedelta | None) -> LocalCall:
    call = LocalCall.objects.create(
        attempt_id=attempt_id,
        function="transcription",
        engine="draft",
        queue="gpu.cpu",
        payload={},
        state=LocalCallState.QUEUED if ended is None else LocalCallState.DONE,
    )
    if ended is not None:
        LocalCall.objects.filter(pk=call.pk).update(finished_at=Now() - ended)
    return call


def calls() -> set[uuid.UUID]:
    return set(LocalCall.objects.values_list("pk", flat=True))


def test_calls_go_once_they_ended_long_ago() -> None:
    old = a_call(uuid.uuid4(), sweeping.CALLS_KEPT)
    young = a_call(uuid.uuid4(), sweeping.CALLS_KEPT - MARGIN)
    waiting = a_call(uuid.uuid4(), None)
    assert old in sweeping.old_calls()

    assert (sweeping.remove_old_calls(), sweeping.remove_old_calls()) == (1, 0)
    assert calls() == {young.pk, waiting.pk}


def test_a_call_that_an_open_job_may_ask_for_stays(make_job: MakeJob) -> None:
    job = make_job()
    attempt = bring_to(job, AttemptState.RUNNING)
    call = a_call(attempt.pk, 2 * sweeping.CALLS_KEPT)
    assert sweeping.remove_old_calls() == 0
    assert calls() == {call.pk}

    lifecycle.cancel(job_id=job.pk, by="user")

    assert sweeping.remove_old_calls() == 1


def test_a_round_of_calls_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweeping, "CALLS_AT_ONCE", 2)
    for _ in range(3):
        a_call(uuid.uuid4(), sweeping.CALLS_KEPT)

    assert [sweeping.remove_old_calls() for _ in range(3)] == [2, 1, 0]


@pytest.fixture
def wrote(make_job: MakeJob) -> Callable[..., tuple[Attempt, str]]:
    """An attempt that has written an object, and the object's key."""

    def make(*, key: str = "users/u/jobs/{job}/{attempt}/transcript.json") -> tuple[Attempt, str]:
        attempt = bring_to(make_job(), AttemptState.RUNNING)
        key = key.format(job=attempt.job_id, attempt=attempt.pk)
        written = {"write": {"key": key, "content_type": "application/json"}}
        payload = {"language": "en", "media": {"read": {"key": "in"}}, "transcript": written}
        Attempt.objects.filter(pk=attempt.pk).update(payload=payload)
        object_storage().write(key, b"{}", "application/json")
        return attempt, key

    return make


def end(attempt: Attempt, how: str, ago: timedelta) -> None:
    """End the attempt by its transition, that long ago."""
    job = Job.objects.get(pk=attempt.job_id)
    if how == "superseded":
        lifecycle.requeue_job(job_id=job.pk, by="staff")
    elif how == "cancelled":
        lifecycle.cancel(job_id=job.pk, by="user")
    else:
        lifecycle.expire(job_id=job.pk)
    Attempt.objects.filter(pk=attempt.pk).update(finished_at=Now() - ago)


def is_there(key: str) -> bool:
    try:
        object_storage().head(key)
    except ObjectMissingError:
        return False
    return True


@pytest.mark.parametrize("how", ["failed", "cancelled", "superseded"])
def test_objects_of_attempts_without_a_result_go(wrote: Callable[..., Any], how: str) -> None:
    (attempt, key), (young, kept) = wrote(), wrote()
    end(attempt, how, sweeping.LEFTOVERS_KEPT)
    end(young, how, sweeping.LEFTOVERS_KEPT - MARGIN)
    assert list(sweeping.with_leftovers()) == [attempt]

    assert (sweeping.remove_leftovers(), sweeping.remove_leftovers()) == (1, 0)

    assert (is_there(key), is_there(kept)) == (False, True)
    attempt.refresh_from_db()
    assert attempt.swept_at


def test_objects_are_kept_longer_than_a_call_can_write() -> None:
    assert all(each.run_limit < sweeping.LEFTOVERS_KEPT for each in features().values())


def test_objects_that_a_row_refers_to_stay(
    wrote: Callable[..., Any], make_media: Callable[..., MediaFile]
) -> None:
    (as_media, media_key), (as_output, output_key) = wrote(), wrote()
    shared, shared_key = wrote(key="users/u/jobs/{job}/shared.json")
    for attempt in (as_media, as_output, shared):
        end(attempt, "failed", sweeping.LEFTOVERS_KEPT)
    make_media(r2_key=media_key)
    Job.objects.filter(pk=as_output.job_id).update(output_data={"result_key": output_key, "n": 1})

    assert sweeping.remove_leftovers() == 3

    assert all(map(is_there, (media_key, output_key, shared_key)))


def test_the_objects_of_a_result_stay(wrote: Callable[..., Any]) -> None:
    attempt, key = wrote()
    Attempt.objects.filter(pk=attempt.pk).update(
        state=AttemptState.COMPLETED, finished_at=Now() - 2 * sweeping.LEFTOVERS_KEPT
    )

    assert sweeping.remove_leftovers() == 0
    assert is_there(key)


def test_with_the_storage_away_leftovers_wait(wrote: Callable[..., Any], settings: Any) -> None:
    attempt, _ = wrote()
    end(attempt, "failed", sweeping.LEFTOVERS_KEPT)
    broken = {
        "BACKEND": "media.storage.s3.PresignedS3Storage",
        "OPTIONS": {
            "bucket_name": "b",
            "endpoint_url": "http://127.0.0.1:9",
            "access_key": "a",
            "secret_key": "s",
        },
    }
    before = settings.STORAGES
    settings.STORAGES = before | {"default": broken}
    assert sweeping.remove_leftovers() == 0
    settings.STORAGES = before
    assert sweeping.remove_leftovers() == 1


def test_a_round_is_logged_by_counts_only(
    wrote: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    attempt, key = wrote()
    end(attempt, "failed", sweeping.LEFTOVERS_KEPT)
    a_call(uuid.uuid4(), sweeping.CALLS_KEPT)
    with caplog.at_level(logging.INFO, logger="jobs.orchestrator.sweeping"):
        assert (loop.tidy(), loop.tidy()) == (2, 0)

    told = [r.getMessage() for r in caplog.records if r.name == "jobs.orchestrator.sweeping"]
    assert told == [
        "1 local calls long ended removed",
        "1 attempts with objects and no result removed",
    ]
    assert key not in caplog.text


def test_one_kind_that_fails_does_not_keep_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> int:
        raise ValueError

    def away() -> int:
        raise OperationalError

    ones = sweeping.Sweep("ones", lambda: 1, lambda: 1)
    monkeypatch.setattr(sweeping, "SWEEPS", (sweeping.Sweep("odd", fail, fail), ones))
    assert sweeping.sweep_all() == 1
    monkeypatch.setattr(sweeping, "SWEEPS", (sweeping.Sweep("away", away, away), ones))
    with pytest.raises(OperationalError):
        sweeping.sweep_all()


def test_the_command_counts_or_removes() -> None:
    def printed(*arguments: str) -> str:
        out = StringIO()
        call_command("sweep", *arguments, stdout=out)
        return out.getvalue()

    call = a_call(uuid.uuid4(), sweeping.CALLS_KEPT)

    assert "local calls long ended: 1 would be removed" in printed("--dry-run")
    assert calls() == {call.pk}
    assert "local calls long ended: 1 found, 0 left" in printed()
    assert calls() == set()
