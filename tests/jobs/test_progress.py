"""What a running call tells: stored once, shown, and pushed to whoever listens."""

import json
import socket
import threading
import uuid
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
import redis
from django.conf import settings
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import User
from gpu_tasks.runtime.callback import Callback
from gpu_tasks.runtime.stages import Stage
from jobs import lifecycle, sql
from jobs.models import Attempt, Job
from jobs.progress import MESSAGES, PROGRESS_CHANNEL
from jobs.states import AttemptState
from tests.jobs.broker import Broker
from tests.jobs.http.test_callbacks import body_of, send
from tests.jobs.walk import OUTCOME, bring_to
from tests.waiting import LIMIT_SECONDS

Hear = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def running(make_job: Callable[..., Job]) -> Attempt:
    return bring_to(make_job(), AttemptState.RUNNING)


@pytest.fixture
def hear(running: Attempt) -> Iterator[Hear]:
    """What was published since, of this job: channels are one for all databases of a Redis."""
    client = redis.Redis.from_url(settings.REDIS_URL)
    listener = client.pubsub()
    listener.subscribe(PROGRESS_CHANNEL)
    assert listener.get_message(timeout=LIMIT_SECONDS)

    def heard() -> list[dict[str, Any]]:
        mark = {"job_id": uuid.uuid4().hex}  # comes after all that was published before it
        client.publish(PROGRESS_CHANNEL, json.dumps(mark))
        results = []
        while (message := listener.get_message(timeout=LIMIT_SECONDS)) is not None:
            if (report_body := json.loads(message["data"])) == mark:
                break
            results.append(report_body)
        return [first for first in results if first["job_id"] == str(running.job_id)]

    yield heard
    listener.close()
    client.close()


def report(attempt: Attempt, progress: float, stage: Stage | None = None) -> None:
    lifecycle.report_progress(
        attempt_id=attempt.pk, call_id="call-1", progress=progress, stage=stage
    )


def time_passes() -> None:
    """As long as it takes until a call is heard again."""
    Attempt.objects.update(progress_at=timezone.now() - lifecycle.PROGRESS_EVERY)


@pytest.mark.django_db(transaction=True)
def test_who_listens_hears_what_is_new_and_no_oftener_than_every_two_seconds(
    hear: Hear, running: Attempt, settings: Any
) -> None:
    before = timezone.now()
    body = body_of(running, progress=0.0, stage="loading")
    assert send(settings, body, signer=running).status_code == 200
    [first] = hear()
    assert datetime.fromisoformat(first.pop("eta_at")) > before
    assert first == {
        "user_id": str(running.job.user_id),
        "job_id": str(running.job_id),
        "type": "transcription",
        "progress": 0,
        "progress_fraction": 0.0,
        "stage": "loading",
        "message": "Loading the model.",
    }
    report(running, 0.3, Stage.READING)  # too soon
    assert hear() == []
    for share, stage in [
        (0.309, Stage.READING),
        (0.2, Stage.GENERATING),  # it never goes back
        (0.309, Stage.READING),
        (0.309, None),
        (0.309, Stage.GENERATING),
        (0.4, None),
    ]:
        time_passes()
        report(running, share, stage)
    messages = [(item["progress"], item["stage"]) for item in hear()]
    assert messages == [(30, "reading"), (30, "generating"), (40, "generating")]
    running.job.refresh_from_db()
    assert running.job.progress == 0.4


@pytest.mark.django_db(transaction=True)
def test_of_two_processes_that_hear_the_same_one_tells(hear: Hear, running: Attempt) -> None:
    report(running, 0.0)
    time_passes()
    hear()
    ready = threading.Barrier(4)

    def again() -> None:
        ready.wait()
        report(running, 0.5)
        connection.close()

    threads = [threading.Thread(target=again) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [first["progress"] for first in hear()] == [50]


def test_nothing_is_told_before_it_is_kept(
    hear: Hear, running: Attempt, django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks(execute=False) as callbacks:
        report(running, 0.5)
    assert len(callbacks) == 1
    assert hear() == []
    callbacks[0]()
    assert len(hear()) == 1
    with django_capture_on_commit_callbacks(execute=False) as callbacks, transaction.atomic():
        time_passes()
        report(running, 0.6)
        transaction.set_rollback(True)
    assert callbacks == []


def test_what_is_new_costs_one_statement(running: Attempt) -> None:
    with CaptureQueriesContext(connection) as queries:
        report(running, 0.5, Stage.RUNNING)
    statements = [
        first["sql"] for first in queries if not first["sql"].startswith(("SAVE", "RELEASE"))
    ]
    assert len(statements) == 1


@pytest.mark.django_db(transaction=True)
def test_redis_that_hangs_is_waited_for_once(running: Attempt) -> None:
    broker = Broker()
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        deaf.settimeout(0.05)
        broker.lead_to(f"redis://127.0.0.1:{deaf.getsockname()[1]}/0")
        try:
            for share in (0.1, 0.2, 0.3):
                report(running, share)
                time_passes()
        finally:
            broker.come_back()
        deaf.accept()[0].close()
        with pytest.raises(TimeoutError):
            deaf.accept()
    running.job.refresh_from_db()
    assert running.job.progress == 0.3


def test_a_call_that_names_no_stage_or_an_unknown_one(
    settings: Any, running: Attempt, api: APIClient
) -> None:
    assert send(settings, body_of(running), signer=running).status_code == 200
    body = api.get(f"/jobs/{running.job_id}").json()
    assert (body["status"], body["stage"]) == ("processing", None)
    for wrong in ("dancing", "loading" * 1000, 5):
        answer = send(settings, body_of(running, stage=wrong), signer=running)
        assert answer.status_code == 400
    time_passes()
    assert send(settings, body_of(running, stage="encoding"), signer=running).status_code == 200
    assert api.get(f"/jobs/{running.job_id}").json()["stage"] == "encoding"
    Attempt.objects.update(started_at=None)  # its call was handed back
    assert api.get(f"/jobs/{running.job_id}").json()["stage"] is None


def test_who_names_no_stage_sends_none(running: Attempt) -> None:
    output = Callback.model_validate(body_of(running))
    assert "stage" not in output.model_dump_json()


def test_every_stage_has_its_words() -> None:
    assert set(MESSAGES) == set(Stage)


# --- When it may end --------------------------------------------------------------------------


def completed(like: Job, seconds: float) -> None:
    """A job that took so long, half of it for its first tenth."""
    begun = timezone.now() - timedelta(hours=1)
    tenths = tuple(seconds * (0.5 + index / 20) for index in range(9))
    job = Job.objects.create(
        user=like.user,
        type=like.type,
        gpu_class=like.gpu_class,
        credits_cost=like.credits_cost,
        price_version="",
        status="completed",
        wake_at=None,
        start_deadline_at=begun,
        started_at=begun,
        completed_at=begun + timedelta(seconds=seconds),
    )
    attempt = Attempt.objects.create(
        job=job,
        number=1,
        state="completed",
        backend="local",
        engine="draft",
        gpu_class=job.gpu_class,
        started_at=begun,
        outcome=OUTCOME.model_copy(update={"tenths": tenths}).model_dump(mode="json"),
    )
    Job.objects.filter(pk=job.pk).update(attempt=attempt)


def test_the_end_is_foreseen_by_what_such_jobs_took(
    running: Attempt, api: APIClient, user: User
) -> None:
    for seconds in range(1, 100):
        completed(running.job, seconds)
    ages = {0: (50, 90), 50: (75, 95), 92: (96, None), 200: (200, None)}
    for age, expected in ages.items():
        assert ends(api, running, 0.05, told=0, age=age) == expected
    # At a tenth, half of the time is gone, and at half of it seven tenths.
    assert ends(api, running, 0.1, told=30, age=31) == (60, 60)
    assert ends(api, running, 0.5, told=28, age=35) == (40, 40)


def ends(
    api: APIClient, attempt: Attempt, progress: float, *, told: float, age: float
) -> tuple[int, int | None]:
    """Seconds from its start to both estimates of its end, for one that so long ago began."""
    begun = timezone.now() - timedelta(seconds=age)
    Attempt.objects.filter(pk=attempt.pk).update(
        started_at=begun, progress_at=begun + timedelta(seconds=told), stage="running"
    )
    Job.objects.filter(pk=attempt.job_id).update(progress=progress)
    with CaptureQueriesContext(connection) as queries:
        body = api.get(f"/jobs/{attempt.job_id}").json()
    assert sum("tenths" in first["sql"] for first in queries) <= 1
    results = [body["estimated_end_at"], body["estimated_end_p90_at"]]
    p50, p90 = [
        None if end is None else round((datetime.fromisoformat(end) - begun).total_seconds())
        for end in results
    ]
    assert p50 is not None
    return p50, p90


def test_the_last_runs_are_read_by_the_index(db: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("EXPLAIN " + sql.STATEMENTS["recent_runs"], {"type": "noop", "limit": 100})
        plan = "\n".join(line for (line,) in cursor.fetchall())
    assert "jobs_ended_by_type" in plan
    assert "Sort" not in plan
