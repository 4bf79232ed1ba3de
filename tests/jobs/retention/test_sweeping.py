"""What the orchestrator removes for good, and what it must not: calls, objects, and the command."""

import logging
import uuid
from collections.abc import Callable
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import OperationalError
from django.db.models.functions import Now

from jobs import lifecycle
from jobs.calls.backends.models import LocalCall, LocalCallState
from jobs.features.registry import features
from jobs.models import Job
from jobs.orchestrator import loop
from jobs.retention import sweeping
from jobs.states import AttemptState
from media.storage import MAX_WRITE_LIFETIME
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
    assert old in sweeping.list_old_calls()

    assert (sweeping.delete_old_calls(), sweeping.delete_old_calls()) == (1, 0)
    assert calls() == {young.pk, waiting.pk}


def test_a_call_that_an_open_job_may_ask_for_stays(make_job: MakeJob) -> None:
    job = make_job()
    attempt = bring_to(job, AttemptState.RUNNING)
    call = a_call(attempt.pk, 2 * sweeping.CALLS_KEPT)
    assert sweeping.delete_old_calls() == 0
    assert calls() == {call.pk}

    lifecycle.cancel(job_id=job.pk, by="user")

    assert sweeping.delete_old_calls() == 1


def test_a_round_of_calls_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweeping, "CALLS_AT_ONCE", 2)
    for _ in range(3):
        a_call(uuid.uuid4(), sweeping.CALLS_KEPT)

    assert [sweeping.delete_old_calls() for _ in range(3)] == [2, 1, 0]


def test_objects_are_kept_longer_than_a_call_can_write() -> None:
    assert all(feature.run_limit < MAX_WRITE_LIFETIME for feature in features().values())


def test_a_round_is_logged_by_counts_only(caplog: pytest.LogCaptureFixture) -> None:
    a_call(uuid.uuid4(), sweeping.CALLS_KEPT)
    with caplog.at_level(logging.INFO, logger="jobs.retention.sweeping"):
        assert (loop.delete_unused(), loop.delete_unused()) == (1, 0)

    messages = [r.getMessage() for r in caplog.records if r.name == "jobs.retention.sweeping"]
    assert messages == ["1 local calls long ended removed"]


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
