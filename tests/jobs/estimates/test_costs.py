"""What attempts took and cost, from the times that they keep and the outcomes that they report."""

from datetime import UTC, datetime, timedelta

import pytest

from gpu_tasks.runtime.contract import EngineInfo, Failure, GpuClass, Outcome
from gpu_tasks.runtime.errors import ErrorCode
from jobs import lifecycle
from jobs.estimates import costs
from jobs.estimates.costs import annotate_costs, annotate_gpu_cost, list_summaries
from jobs.models import Attempt, Job
from jobs.states import AttemptState
from tests.jobs.walk import bring_to

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
ENGINE = EngineInfo(name="production", model="test")


def outcome(run: float, load: float = 0.0, began: float = 0.0) -> Outcome:
    """A success that began ``began`` seconds after noon."""
    return Outcome(
        result={},
        engine=ENGINE,
        started_at=NOON + timedelta(seconds=began),
        load_seconds=load,
        seconds=run,
    )


@pytest.fixture
def ended(make_job):
    """Make a completed job, admitted ten seconds before noon and dispatched at noon."""

    def make(how: Outcome | None, gpu_class: str = GpuClass.A10G) -> Attempt:
        attempt = bring_to(make_job(), AttemptState.COMPLETED)
        Attempt.objects.filter(pk=attempt.pk).update(
            gpu_class=gpu_class,
            created_at=NOON - timedelta(seconds=10),
            dispatched_at=NOON,
            outcome=how.model_dump(mode="json") if how else None,
        )
        return attempt

    return make


def what(attempt: Attempt) -> Attempt:
    return annotate_costs(Attempt.objects.filter(pk=attempt.pk)).get()


class TestAnAttempt:
    def test_cold(self, ended):
        took = what(ended(outcome(run=20, load=8, began=3)))
        assert (took.queue_seconds, took.start_seconds, took.load_seconds) == (10, 11, 8)
        assert took.run_seconds == 20
        assert took.gpu_cost == pytest.approx(28 * 0.000306)

    def test_warm(self, ended):
        took = what(ended(outcome(run=20, began=0.5), GpuClass.A100_80GB))
        assert (took.start_seconds, took.load_seconds) == (0.5, 0)
        assert took.gpu_cost == pytest.approx(20 * 0.000694)

    def test_a_clock_that_is_behind_makes_no_negative_time(self, ended):
        assert what(ended(outcome(run=1, load=2, began=-60))).start_seconds == 2

    def test_of_one_that_has_not_reported_nothing_is_known(self, make_job):
        took = what(bring_to(make_job(), AttemptState.RUNNING))
        assert took.queue_seconds >= 0
        assert (took.start_seconds, took.run_seconds, took.gpu_cost) == (None, None, None)

    def test_an_outcome_of_before_has_a_run_time_alone(self, ended):
        attempt = ended(outcome(run=4))
        Attempt.objects.filter(pk=attempt.pk).update(outcome={"result": {}, "seconds": 4})
        took = what(attempt)
        assert (took.start_seconds, took.load_seconds, took.run_seconds) == (None, None, 4)
        assert took.gpu_cost == pytest.approx(4 * 0.000306)

    def test_a_cpu_costs_nothing(self, ended):
        assert what(ended(outcome(run=20), GpuClass.CPU)).gpu_cost == 0

    def test_a_class_that_is_gone_costs_nothing(self, ended):
        assert what(ended(outcome(run=20), "K80")).gpu_cost == 0

    def test_prices_can_be_set(self, ended, settings):
        settings.GPU_PRICES = {"A10G": 0.5}
        assert what(ended(outcome(run=20))).gpu_cost == 10
        assert costs.get_gpu_price(GpuClass.L4) == 0.000222

    def test_a_failure_costs_as_well(self, make_job):
        attempt = bring_to(make_job(), AttemptState.RUNNING)
        Attempt.objects.update(gpu_class=GpuClass.L4)
        failure = Failure(code=ErrorCode.GPU_OOM, message="Too large.")
        failed = Outcome(error=failure, engine=ENGINE, load_seconds=1, seconds=9)
        lifecycle.report_outcome(attempt_id=attempt.pk, call_id="call-1", outcome=failed)
        assert what(attempt).gpu_cost == pytest.approx(10 * 0.000222)


def test_a_job_costs_what_all_its_attempts_cost(ended):
    last = ended(outcome(run=10))
    Attempt.objects.create(
        job=last.job,
        number=2,
        backend="modal",
        engine="production",
        gpu_class=GpuClass.A10G,
        outcome=outcome(run=30).model_dump(mode="json"),
    )
    Attempt.objects.create(job=last.job, number=3, backend="modal", gpu_class=GpuClass.A10G)
    assert annotate_gpu_cost(Job.objects.all()).get().gpu_cost == pytest.approx(40 * 0.000306)


def test_a_job_that_never_ran_has_no_cost(make_job):
    make_job()
    assert annotate_gpu_cost(Job.objects.all()).get().gpu_cost is None


class TestSummaries:
    def test_medians_shares_and_costs(self, ended):
        for run, load in ((10, 6), (20, 0), (90, 0), (30, 0)):
            ended(outcome(run=run, load=load, began=1))
        [summary] = list_summaries()
        assert (summary.feature, summary.gpu_class) == ("transcription", "A10G")
        assert (summary.jobs, summary.attempts) == (4, 4)
        assert (summary.queue_seconds, summary.start_seconds) == (10, 1)
        assert summary.run_seconds == 25
        assert summary.cold_share == 0.25
        assert summary.cost_per_job == pytest.approx(156 * 0.000306 / 4)

    def test_classes_stand_apart(self, ended):
        ended(outcome(run=10))
        ended(outcome(run=90), GpuClass.CPU)
        results = {summary.gpu_class: summary for summary in list_summaries()}
        assert {name: summary.run_seconds for name, summary in results.items()} == {
            "A10G": 10,
            "CPU": 90,
        }
        assert results["CPU"].cost_per_job == 0

    def test_the_latest_jobs_alone(self, ended, monkeypatch):
        monkeypatch.setattr(costs, "JOBS_PER_FEATURE", 1)
        ended(outcome(run=10))
        ended(outcome(run=90))
        assert [summary.run_seconds for summary in list_summaries()] == [90]

    def test_calls_that_never_reported_are_neither_cold_nor_warm(self, ended):
        lost = ended(outcome(run=10, load=1))
        Attempt.objects.create(
            job=lost.job, number=2, backend="modal", gpu_class=GpuClass.A10G, state="failed"
        )
        [summary] = list_summaries()
        assert (summary.jobs, summary.attempts, summary.cold_share) == (1, 2, 1)

    def test_nothing_yet(self, db):
        assert list_summaries() == []
