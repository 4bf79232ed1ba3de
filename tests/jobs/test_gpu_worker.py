"""A worker of the role `gpu`, as a process: it runs production engines and keeps them loaded."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings as configured
from django.core.management import CommandError, call_command

from gpu_tasks.runtime.contract import GpuClass
from gpu_tasks.runtime.engine import contracts
from jobs import submission, workflow
from jobs.estimates.costs import annotate_costs
from jobs.features.registry import get_feature
from jobs.models import Attempt, Job
from jobs.orchestrator import admission
from jobs.states import AttemptState, JobStatus
from tests.jobs.gpu_workers import gpu_worker
from tests.waiting import until

CALL_SECONDS = 30.0


@pytest.mark.parametrize(
    "arguments", [["gpu"], ["cpu", "--class", "l4"], ["steps", "--class", "l4"]]
)
def test_a_class_goes_with_the_role_and_with_no_other(arguments):
    with pytest.raises(CommandError, match="requires --class"):
        call_command("worker", *arguments)


@pytest.mark.parametrize("name", ["cpu", "v100"])
def test_a_class_is_one_of_the_gpus_that_functions_declare(name):
    with pytest.raises(CommandError, match="invalid choice"):
        call_command("worker", "gpu", "--class", name)


def test_a_worker_that_cannot_use_its_gpu_does_not_start(settings):
    settings.LOCAL_GPU_DEVICE = "cuda:99"
    with pytest.raises(CommandError, match=r"cuda:99, which cannot be used here: .*Error"):
        call_command("worker", "gpu", "--class", "l4")


@pytest.fixture
def worker(transactional_db: None, tmp_path: Path) -> Iterator[Path]:
    """The log of a running worker for L4s, whose GPU is a CPU here."""
    log = tmp_path / "worker.log"
    with gpu_worker(log, "l4"):
        yield log


@pytest.fixture
def on_our_gpus(settings, live_server) -> None:
    """All else runs elsewhere, and this one feature's production engine on our own workers."""
    settings.INFERENCE_BACKEND = "modal"
    settings.INFERENCE_BACKENDS = {"noop_gpu": "local"}
    settings.INFERENCE_ENGINES = {"noop_gpu": "production"}
    settings.LOCAL_GPU_LIMITS = {"L4": 1}
    settings.GPU_CALLBACK_URL = f"{live_server.url}/internal/gpu-callback"


def call(user, **data: object) -> Attempt:
    """A job's attempt, its call run by the worker and reported."""
    feature = get_feature("noop_gpu")
    parameters = submission.validate(feature=feature, user_id=user.pk, data=data)
    submission_result = submission.submit(
        feature=feature, user_id=user.pk, plan=None, parameters=parameters
    )
    assert admission.admit_all() == 1
    attempt = Attempt.objects.get(job_id=submission_result.job_id)
    workflow.prepare([attempt.pk])
    workflow.dispatch([attempt.pk])
    reported = annotate_costs(Attempt.objects.filter(pk=attempt.pk, reported_at__isnull=False))
    until(reported.exists, CALL_SECONDS)
    return reported.get()


def run_job(user) -> Job:
    """A job from its submission to its result."""
    attempt = call(user, seconds=0.3, price=2)
    assert attempt.state == AttemptState.REPORTED
    workflow.collect([attempt.pk])
    workflow.finalize([attempt.pk])
    return Job.objects.get(pk=attempt.job_id)


@pytest.mark.django_db(transaction=True)
def test_a_job_runs_on_a_gpu_of_our_own(worker: Path, on_our_gpus: None, user):
    cold, warm = run_job(user), run_job(user)
    model = f"{contracts()['noop_gpu'].models['noop']}, float32 on cpu"
    for job in (cold, warm):
        assert job.status == JobStatus.COMPLETED
        assert job.gpu_class == GpuClass.L4
        assert job.output_data["engine"] == {"name": "production", "model": model}
    first, second = annotate_costs(Attempt.objects.order_by("created_at"))
    assert first.load_seconds >= 0.2
    assert first.start_seconds >= first.load_seconds
    assert second.load_seconds == 0
    assert (first.run_seconds >= 0.3, second.run_seconds >= 0.3) == (True, True)
    assert first.gpu_cost == pytest.approx((first.load_seconds + first.run_seconds) * 0.000222)
    assert second.gpu_cost < first.gpu_cost


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("error", "is_loaded_anew"),
    [("MODEL_ERROR", True), ("GPU_OOM", True), ("INPUT_INVALID", False)],
)
def test_after_an_error_that_may_spoil_its_gpu_a_new_process_takes_over(
    worker: Path, on_our_gpus: None, user, settings, error: str, is_loaded_anew: bool
):
    settings.LOCAL_GPU_LIMITS = {"L4": 2}  # the failed attempt keeps its place
    failed = call(user, error=error)
    assert (failed.state, failed.error_code) == (AttemptState.ERRORED, error)
    following = call(user)
    assert following.state == AttemptState.REPORTED
    assert (following.load_seconds > 0) is is_loaded_anew


@pytest.mark.django_db(transaction=True)
def test_it_takes_the_calls_of_its_class_one_by_one(worker: Path):
    log = worker.read_text()
    assert "gpu-l4@" in log
    assert "gpu.l4" in log
    assert "gpu.cpu" not in log
    assert "concurrency: 1 " in log
    assert configured.LOCAL_GPU_DEVICE == "cuda"  # in production, unless told otherwise
