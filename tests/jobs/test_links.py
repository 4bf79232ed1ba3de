"""The links of a chain run as the tasks that they name, and none of them is lost."""

import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from celery import chain, current_app, signals
from celery.app.trace import build_tracer
from django.db import connection
from kombu import Connection

from auteur.core import ids
from auteur.devstack.processes import BASE_DIR
from credits.models import CreditTransaction
from gpu_tasks.runtime.contract import EngineInfo, Outcome
from jobs import lifecycle, links, tasks, workflow
from jobs.calls.backends.models import LocalCall
from jobs.models import Attempt, Job
from jobs.orchestrator import loop
from jobs.states import AttemptState
from media.models import MediaFile
from tests.jobs.broker import Broker
from tests.jobs.walk import admit
from tests.waiting import until

MakeJob = Callable[..., Job]


@dataclass(frozen=True)
class Run:
    """One task that Celery has run."""

    name: str
    id: str
    parent_id: str | None
    root_id: str | None
    state: str


@pytest.fixture
def broker() -> Iterator[Broker]:
    made = Broker()
    made.flush()
    yield made
    made.come_back()
    made.flush()


@pytest.fixture
def runs() -> Iterator[list[Run]]:
    """What Celery runs in this process, in the order in which it ends."""
    ended: list[Run] = []

    def note(task: Any, task_id: str, state: str, **signal: Any) -> None:
        request = task.request
        ended.append(Run(task.name, task_id, request.parent_id, request.root_id, state))

    signals.task_postrun.connect(note, weak=False, dispatch_uid="note")
    yield ended
    signals.task_postrun.disconnect(dispatch_uid="note")


@pytest.fixture
def failures() -> Iterator[list[str]]:
    """The tasks whose `on_failure` Celery has called: their names."""
    names: list[str] = []

    def note(sender: Any, **signal: Any) -> None:
        names.append(sender.name)

    signals.task_failure.connect(note, weak=False, dispatch_uid="note")
    yield names
    signals.task_failure.disconnect(dispatch_uid="note")


def refunds(job: Job) -> int:
    return CreditTransaction.objects.filter(job=job, type="refund").count()


def test_a_link_is_a_task_with_the_id_that_its_chain_has_chosen(
    make_job: MakeJob, broker: Broker, runs: list[Run]
) -> None:
    make_job()
    loop.wake()
    broker.double(0)
    message = broker.read(0)
    assert message is not None
    [link] = message[2]
    broker.deliver(0)
    second, first = runs
    assert (first.name, second.name) == ("jobs.prepare", "jobs.dispatch")
    assert (first.state, second.state) == ("SUCCESS", "SUCCESS")
    assert (second.parent_id, second.root_id) == (first.id, first.id)
    assert second.id == link["options"]["task_id"] != first.id
    assert Attempt.objects.get().state == AttemptState.RUNNING
    assert broker.waiting() == []


def test_a_link_that_raises_fails_its_job_once_and_the_task_before_it_has_succeeded(
    make_job: MakeJob,
    broker: Broker,
    runs: list[Run],
    failures: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def break_off(attempt: Attempt) -> dict[str, Any]:
        raise ValueError("x")

    monkeypatch.setattr(workflow, "_build_call", break_off)
    job = make_job()
    loop.wake()
    broker.deliver(0)
    assert [(run.name, run.state) for run in runs] == [
        ("jobs.dispatch", "FAILURE"),
        ("jobs.prepare", "SUCCESS"),
    ]
    assert failures == ["jobs.dispatch"]
    job.refresh_from_db()
    assert (job.status, job.error_code, job.credits_refunded) == ("failed", "MODEL_ERROR", True)
    assert refunds(job) == 1


def test_an_error_of_the_first_task_does_not_keep_the_others_from_the_link(
    make_job: MakeJob, broker: Broker, runs: list[Run], failures: list[str]
) -> None:
    bad, good = make_job(), make_job()
    MediaFile.objects.filter(pk=bad.media_ids[0]).delete()
    loop.wake()
    broker.deliver(0)
    assert [(run.name, run.state) for run in runs] == [
        ("jobs.dispatch", "SUCCESS"),
        ("jobs.prepare", "FAILURE"),
    ]
    assert failures == ["jobs.prepare"]
    bad.refresh_from_db()
    good.refresh_from_db()
    assert (bad.status, bad.error_code, refunds(bad)) == ("failed", "INPUT_INVALID", 1)
    assert good.attempt is not None
    assert (good.attempt.state, refunds(good)) == (AttemptState.RUNNING, 0)


def test_what_fails_between_two_links_is_not_left_claimed(
    make_job: MakeJob, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_off(*arguments: Any) -> None:
        raise ValueError("x")

    monkeypatch.setattr(links, "run_link", break_off)
    job = make_job()
    loop.wake()
    broker.deliver(0)
    job.refresh_from_db()
    assert (job.status, refunds(job), LocalCall.objects.count()) == ("failed", 1, 0)


def test_a_link_runs_with_nothing_to_do(make_job: MakeJob, broker: Broker, runs: list[Run]) -> None:
    job = make_job()
    loop.wake()
    lifecycle.cancel(job_id=job.pk, by="user")
    broker.deliver(0)
    assert [(run.name, run.state) for run in runs] == [
        ("jobs.dispatch", "SUCCESS"),
        ("jobs.prepare", "SUCCESS"),
    ]


def test_a_doubled_message_starts_no_second_call(make_job: MakeJob, broker: Broker) -> None:
    make_job()
    loop.wake()
    broker.double(0)
    assert broker.deliver(0)
    assert broker.deliver(0)
    assert LocalCall.objects.count() == 1


@pytest.mark.parametrize("other", [["jobs.finalize"], ["jobs.dispatch", "jobs.dispatch"]])
def test_a_link_that_cannot_run_here_is_sent(
    make_job: MakeJob, broker: Broker, other: list[str]
) -> None:
    """It is another step, or more links follow."""
    attempt_ids = [str(admit(make_job()).pk)]
    queue = "jobs.completed"
    following = [current_app.tasks[name].si(attempt_ids).set(queue=queue) for name in other]
    chain(tasks.prepare.si(attempt_ids).set(queue=queue), *following).apply_async()
    broker.deliver(0)
    assert Attempt.objects.get().state == AttemptState.PREPARED
    message = broker.read(0)
    assert message is not None
    assert (message[0], message[1], len(message[2])) == (other[0], [attempt_ids], len(other) - 1)


def test_a_link_for_other_attempts_is_sent(make_job: MakeJob, broker: Broker) -> None:
    first, second = ([str(admit(make_job()).pk)] for _ in range(2))
    queue = "jobs.completed"
    chain(
        tasks.prepare.si(first).set(queue=queue), tasks.dispatch.si(second).set(queue=queue)
    ).apply_async()
    broker.deliver(0)
    message = broker.read(0)
    assert message is not None
    assert message[:2] == ("jobs.dispatch", [second])


def test_a_message_of_an_older_version_is_run(
    make_job: MakeJob, broker: Broker, runs: list[Run]
) -> None:
    """Its links have no ids."""
    attempt_ids = [str(admit(make_job()).pk)]
    link = tasks.dispatch.si(attempt_ids).set(queue="jobs.completed")
    prepare: Any = tasks.prepare
    prepare.apply_async((attempt_ids,), queue="jobs.completed", chain=[link])
    broker.deliver(0)
    assert [run.name for run in runs] == ["jobs.dispatch", "jobs.prepare"]
    assert runs[0].id
    assert Attempt.objects.get().state == AttemptState.RUNNING


@pytest.mark.django_db(transaction=True)
def test_a_broker_that_takes_no_events_keeps_no_link_from_running(
    make_job: MakeJob, broker: Broker, runs: list[Run], caplog: pytest.LogCaptureFixture
) -> None:
    make_job()
    loop.wake()
    message = broker.read(0)
    assert message is not None
    name, args, links_of_message = message
    broker.go_away()
    request = {"id": "1", "root_id": "1", "hostname": "steps@here", "delivery_info": {}}
    tracer = build_tracer(name, current_app.tasks[name], app=current_app)
    with ids.bind_ids():
        tracer("1", args, {}, request | {"chain": links_of_message})
    assert [(run.name, run.state) for run in runs] == [
        ("jobs.dispatch", "SUCCESS"),
        ("jobs.prepare", "SUCCESS"),
    ]
    assert [r.getMessage() for r in caplog.records if r.name == "jobs.links"] == [
        f"no events of {runs[0].id}: OperationalError"
    ]
    assert Attempt.objects.get().state == AttemptState.RUNNING


# --- A real worker ------------------------------------------------------------------------------


@pytest.fixture
def worker(tmp_path: Path, transactional_db: None) -> Iterator[Path]:
    """The log of a running `worker steps` that sends events."""
    log = tmp_path / "worker.log"
    address = os.environ["DATABASE_URL"].rsplit("/", 1)[0]
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "worker", "steps", "--concurrency", "1"],
            cwd=BASE_DIR,
            env={
                **os.environ,
                "DATABASE_URL": f"{address}/{connection.settings_dict['NAME']}",
                "LOG_LEVEL": "INFO",
                "WORKER_EVENTS": "true",
            },
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        until(lambda: " ready." in log.read_text(), 180.0)
        yield log
        assert process.poll() is None, log.read_text()
    finally:
        process.terminate()
        try:
            process.wait(60.0)
        finally:
            process.kill()


@pytest.fixture
def events() -> Iterator[list[dict[str, Any]]]:
    """The events of tasks that workers send."""
    received: list[dict[str, Any]] = []
    stop = threading.Event()

    def listen() -> None:
        with Connection(current_app.conf.broker_url) as opened:
            receiver = current_app.events.Receiver(opened, handlers={"*": received.append})
            with receiver.consumer_context() as (listening, *_):
                while not stop.is_set():
                    with contextlib.suppress(TimeoutError):
                        listening.drain_events(timeout=0.2)

    thread = threading.Thread(target=listen)
    thread.start()
    yield received
    stop.set()
    thread.join()


def told(events: list[dict[str, Any]], task_id: str) -> list[str]:
    return [event["type"] for event in events if event.get("uuid") == task_id]


def of_link(events: list[dict[str, Any]], name: str, parent_id: str) -> dict[str, Any] | None:
    """The event that a link of this task was received."""
    for event in events:
        if (event.get("name"), event.get("parent_id")) == (name, parent_id):
            return event
    return None


@pytest.mark.django_db(transaction=True)
def test_a_real_worker_shows_both_links_as_tasks(
    make_job: MakeJob, events: list[dict[str, Any]], worker: Path
) -> None:
    job, broken = make_job(), make_job()
    first, second = admit(job), admit(broken)
    queue = "jobs.transcription"
    attempt_ids = [str(first.pk), str(second.pk)]
    MediaFile.objects.filter(pk=broken.media_ids[0]).delete()
    sent = chain(
        tasks.prepare.si(attempt_ids).set(queue=queue),
        tasks.dispatch.si(attempt_ids).set(queue=queue),
    ).apply_async()
    prepare_id, dispatch_id = str(sent.parent.id), str(sent.id)

    until(lambda: "task-failed" in told(events, prepare_id))
    assert told(events, dispatch_id) == ["task-received", "task-started", "task-succeeded"]
    received = of_link(events, "jobs.dispatch", prepare_id)
    assert received is not None
    assert (received["uuid"], received["root_id"]) == (dispatch_id, prepare_id)
    assert attempt_ids[0] in received["args"]
    ours = [event for event in events if event.get("uuid") in (prepare_id, dispatch_id)]
    assert len({event["hostname"] for event in ours}) == 1
    log = worker.read_text()
    assert f"jobs.dispatch[{dispatch_id}] succeeded" in log
    assert f"jobs.prepare[{prepare_id}] raised expected: AttemptsFailedError" in log

    first.refresh_from_db()
    broken.refresh_from_db()
    assert first.state == AttemptState.RUNNING
    assert (broken.status, broken.error_code, refunds(broken)) == ("failed", "INPUT_INVALID", 1)

    # A result that cannot be used: `collect` raises, its link has nothing to do.
    outcome = Outcome(result={"language": "en"}, engine=EngineInfo(name="draft", model="m"))
    lifecycle.report_outcome(attempt_id=first.pk, call_id=first.call_id or "", outcome=outcome)
    loop.wake()
    until(lambda: Job.objects.get(pk=job.pk).status == "failed")
    assert refunds(job) == 1
    collect_id = next(event["uuid"] for event in events if event.get("name") == "jobs.collect")
    until(lambda: "task-failed" in told(events, collect_id))
    finalize = of_link(events, "jobs.finalize", collect_id)
    assert finalize is not None
    assert told(events, finalize["uuid"])[-1] == "task-succeeded"
