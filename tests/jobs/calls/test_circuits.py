"""An outage stops its feature but for a probe, and no other one."""

import logging
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import User
from gpu_tasks.runtime.contract import Failure, Outcome
from gpu_tasks.runtime.errors import ErrorCode
from gpu_tasks.runtime.stages import Stage
from jobs import lifecycle
from jobs.calls import circuits
from jobs.calls.circuits import MIN_LOST
from jobs.errors import JobError
from jobs.models import Attempt, Circuit, Job
from jobs.orchestrator import admission, repair
from jobs.states import AttemptState
from tests.jobs.calls.test_deadlines import dispatch, report
from tests.jobs.walk import OUTCOME, bring_to

pytestmark = pytest.mark.django_db

FEATURE, BACKEND = "feature:transcription", "backend:local"
PAST = timedelta(seconds=1)


def lose(job: Job, code: ErrorCode = ErrorCode.STORAGE_ERROR) -> None:
    """End the job's attempt by an infrastructure error that is not decided about yet."""
    job.refresh_from_db()
    if job.attempt_id is None:
        bring_to(job, AttemptState.QUEUED)
        job.refresh_from_db()
    assert lifecycle.mark_errored(
        attempt_id=Attempt.objects.get(pk=str(job.attempt_id)).pk,
        error=JobError.of(code),
        states=[AttemptState.QUEUED],
    )


def decide(*jobs: Job) -> None:
    Job.objects.filter(pk__in=[job.pk for job in jobs]).update(wake_at=timezone.now() - PAST)
    repair.reconcile()
    for job in jobs:
        job.refresh_from_db()


def watch() -> set[str]:
    """Run a round of the orchestrator's; return the circuits that are open then."""
    circuits.update_circuits()
    circuits.forget_cache()
    return set(circuits.open_circuits())


@pytest.fixture
def lost(make_job: Callable[..., Job]) -> list[Job]:
    """As many jobs that have lost an attempt as open a circuit."""
    jobs = []
    for _ in range(MIN_LOST):
        job = make_job()
        lose(job)
        decide(job)
        jobs.append(job)
    return jobs


@pytest.fixture
def opened(lost: list[Job]) -> list[Job]:
    """The lost jobs; the circuit of their feature is open, and no probe is due."""
    assert watch() == {FEATURE}
    return lost


def let_probe() -> None:
    """Let the time of the next probe come."""
    Circuit.objects.update(next_probe_at=timezone.now() - PAST)
    circuits.forget_cache()


def test_it_opens_where_most_jobs_are_lost(
    lost: list[Job], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, logger="jobs.calls.circuits"):
        assert watch() == {FEATURE}
        assert watch() == {FEATURE}
    (line,) = [record for record in caplog.records if record.name == "jobs.calls.circuits"]
    assert line.levelno == logging.WARNING
    assert FEATURE in line.getMessage()


def test_it_stays_closed_below_its_limits(make_job: Callable[..., Job]) -> None:
    for number in range(MIN_LOST):
        assert watch() == set(), f"after {number} lost jobs"
        job = make_job()
        lose(job)
        decide(job)
    for _ in range(MIN_LOST):
        bring_to(make_job(), AttemptState.COMPLETED)
    assert watch() == set()  # as many were completed


def test_no_more_completed_jobs_are_looked_at_than_the_bound(
    lost: list[Job], make_job: Callable[..., Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(MIN_LOST):
        bring_to(make_job(), AttemptState.COMPLETED)
    monkeypatch.setattr(circuits, "MAX_COMPLETED", MIN_LOST)
    assert watch() == set()
    monkeypatch.setattr(circuits, "MAX_COMPLETED", MIN_LOST - 1)
    assert watch() == {FEATURE}


def test_what_was_lost_long_ago_does_not_count(lost: list[Job]) -> None:
    Attempt.objects.filter(finished_at__isnull=False).update(
        finished_at=timezone.now() - circuits.WINDOW
    )
    assert watch() == set()


def test_machines_lost_before_they_ran_open_the_backends_circuit(
    make_job: Callable[..., Job],
) -> None:
    for _ in range(MIN_LOST):
        job = make_job()
        lose(job, ErrorCode.GPU_UNAVAILABLE)
        decide(job)
    assert watch() == {FEATURE, BACKEND}


def test_starts_that_nobody_answers_open_the_backends_circuit(
    make_job: Callable[..., Job],
) -> None:
    """Also where all are of one user and their calls have begun."""
    for _ in range(MIN_LOST):
        job = make_job()
        attempt = bring_to(job, AttemptState.DISPATCHING)
        lifecycle.report_progress(attempt_id=attempt.pk, call_id="fc-unheard", progress=0.5)
        assert lifecycle.mark_errored(
            attempt_id=attempt.pk,
            error=JobError.of(ErrorCode.GPU_UNAVAILABLE),
            states=[AttemptState.DISPATCHING],
        )
        decide(job)
    assert watch() == {FEATURE, BACKEND}


def test_the_inputs_of_one_user_open_no_circuit(
    make_job: Callable[..., Job], make_user: Callable[..., User]
) -> None:
    """Machines that die of what a user brought: they are one loss."""
    other = make_user(balance=100)
    for number in range(2 * MIN_LOST):
        job = make_job(other) if number == 0 else make_job()
        bring_to(job, AttemptState.RUNNING)
        attempt = Attempt.objects.get(job=job)
        report(attempt, ErrorCode.GPU_UNAVAILABLE)
        decide(job)
    assert watch() == set()


def test_an_open_circuit_stops_admission_of_its_feature(
    opened: list[Job], make_job: Callable[..., Job]
) -> None:
    waiting = make_job()
    assert admission.admit_all() == 0
    waiting.refresh_from_db()
    assert waiting.attempt_id is None


def test_a_retry_waits_and_spends_no_attempt(opened: list[Job]) -> None:
    [job, *_] = opened
    lose(job)
    number = Attempt.objects.filter(job=job).count()
    decide(job)
    attempt = Attempt.objects.get(pk=str(job.attempt_id))
    assert (attempt.state, job.status) == (AttemptState.ERRORED, "pending")
    assert Attempt.objects.filter(job=job).count() == number
    assert job.wake_at is not None
    assert job.wake_at > timezone.now() + repair.CIRCUIT_RECHECK / 2


def test_one_probe_at_a_time_is_let_through(opened: list[Job]) -> None:
    for job in opened:
        lose(job)
    let_probe()
    decide(*opened)
    probes = [job for job in opened if job.attempt.state == AttemptState.QUEUED]
    assert len(probes) == 1
    assert Circuit.objects.get(name=FEATURE).probe_id == probes[0].attempt_id
    let_probe()
    rest = [job for job in opened if job not in probes]
    decide(*rest)  # the first probe goes on
    assert {job.attempt.state for job in rest} == {AttemptState.ERRORED}


def test_a_pending_job_is_the_probe_where_no_retry_waits(
    opened: list[Job], make_job: Callable[..., Job]
) -> None:
    jobs = [make_job(), make_job()]
    let_probe()
    assert [admission.admit_all(), admission.admit_all()] == [1, 0]
    jobs[0].refresh_from_db()
    assert Circuit.objects.get(name=FEATURE).probe_id == jobs[0].attempt_id


def test_pauses_between_probes_grow(opened: list[Job]) -> None:
    pauses = []
    job = opened[0]
    for _ in range(6):
        lose(job)
        let_probe()
        decide(job)
        row = Circuit.objects.get(name=FEATURE)
        assert row.next_probe_at is not None
        pauses.append(round((row.next_probe_at - timezone.now()).total_seconds()))
    assert pauses == [60, 120, 240, 300, 300, 300]


def probe(opened: list[Job]) -> Attempt:
    """Start a probe; return its attempt, whose call runs."""
    lose(opened[0])
    let_probe()
    decide(opened[0])
    return dispatch(opened[0], "probe")


def test_it_closes_when_a_probe_has_reported(
    opened: list[Job], make_job: Callable[..., Job], caplog: pytest.LogCaptureFixture
) -> None:
    attempt = probe(opened)
    assert watch() == {FEATURE}
    lifecycle.report_outcome(attempt_id=attempt.pk, call_id="probe", outcome=OUTCOME)
    with caplog.at_level(logging.WARNING, logger="jobs.calls.circuits"):
        assert watch() == set()
    assert "closes" in caplog.text
    assert watch() == set()  # what was lost before does not open it again
    make_job()
    assert admission.admit_all() == 1


def test_it_closes_when_a_probe_runs_with_its_inputs(opened: list[Job]) -> None:
    attempt = probe(opened)
    for stage, still_open in ((Stage.FETCHING, {FEATURE}), (Stage.RUNNING, set())):
        lifecycle.report_progress(attempt_id=attempt.pk, call_id="probe", progress=0.0, stage=stage)
        Attempt.objects.update(progress_at=None)
        assert watch() == still_open


@pytest.mark.parametrize(
    ("code", "still_open"),
    [(ErrorCode.STORAGE_ERROR, {FEATURE}), (ErrorCode.MODEL_ERROR, set())],
)
def test_only_an_infrastructure_error_keeps_it_open(
    opened: list[Job], code: ErrorCode, still_open: set[str]
) -> None:
    attempt = probe(opened)
    lifecycle.report_outcome(
        attempt_id=attempt.pk,
        call_id="probe",
        outcome=Outcome(error=Failure(code=code, message="No.")),
    )
    assert watch() == still_open


def test_clients_see_that_a_feature_is_impaired(opened: list[Job], api: APIClient) -> None:
    listed = {feature["type"]: feature for feature in api.get("/features").json()["features"]}
    assert listed["transcription"]["impaired_since"] is not None
    assert listed["transcription"]["next_try_at"] is not None
    assert listed["tts"]["impaired_since"] is None
    job = api.get(f"/jobs/{opened[0].pk}").json()
    assert job["estimated_start_at"] is None
