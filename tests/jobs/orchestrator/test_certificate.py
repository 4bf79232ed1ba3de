"""Features that make media stop with the certificate that signs them, after warnings."""

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.db.models.functions import Now
from pytest_django import Settings
from rest_framework.test import APIClient

from accounts.models import User
from auteur import metrics
from gpu_tasks.runtime.errors import ErrorCode
from jobs import lifecycle, submission
from jobs.calls import circuits
from jobs.errors import JobError
from jobs.features.registry import get_feature
from jobs.models import Attempt, Job, KeptFigures
from jobs.orchestrator import admission, certificate, repair
from jobs.states import AttemptState
from tests.media.provenance.conftest import signs_as  # noqa: F401

pytestmark = pytest.mark.django_db

PAST = timedelta(seconds=1)


def expiring_in(days: float) -> datetime:
    return datetime.now(UTC) + timedelta(days=days)


@pytest.fixture
def image_job(user: User) -> Callable[[], Job]:
    """A pending job whose result must be signed."""

    def make() -> Job:
        feature = get_feature("image_generation")
        data = {"prompt": "a lighthouse", "width": 512, "height": 512}
        parameters = submission.validate(feature=feature, user_id=user.pk, data=data)
        submitted = submission.submit(
            feature=feature, user_id=user.pk, plan=None, parameters=parameters
        )
        return Job.objects.get(pk=submitted.job_id)

    return make


def warn(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    """Run the check, due or not; return what it logged."""
    caplog.clear()
    KeptFigures.objects.update(next_at=Now())
    with caplog.at_level(logging.WARNING, logger="jobs.orchestrator.certificate"):
        certificate.warn_about_certificate()
    return [record for record in caplog.records if record.name == certificate.__name__]


@pytest.mark.parametrize(("days", "threshold"), [(29, 30), (6, 7), (0.5, 1)])
def test_a_certificate_that_ends_is_warned_about_once_per_threshold_and_day(
    signs_as: Callable[..., None],  # noqa: F811
    caplog: pytest.LogCaptureFixture,
    days: float,
    threshold: int,
) -> None:
    signs_as(until=expiring_in(days))
    [record] = warn(caplog)
    assert record.levelno == logging.WARNING
    assert f"less than {threshold} days" in record.getMessage()
    assert warn(caplog) == []
    KeptFigures.objects.filter(name=certificate.NAME).update(
        value={"day": "2000-01-01", "days": threshold}
    )
    assert len(warn(caplog)) == 1  # another day


def test_the_next_threshold_is_warned_about_on_the_same_day(
    signs_as: Callable[..., None],  # noqa: F811
    caplog: pytest.LogCaptureFixture,
) -> None:
    for days in (29, 6, 0.5):
        signs_as(until=expiring_in(days))
        assert len(warn(caplog)) == 1
    signs_as(until=expiring_in(31))
    assert warn(caplog) == []


def test_an_expired_certificate_is_an_error_once_a_day(
    signs_as: Callable[..., None],  # noqa: F811
    caplog: pytest.LogCaptureFixture,
) -> None:
    signs_as(until=datetime.now(UTC) - PAST)
    [record] = warn(caplog)
    assert record.levelno == logging.ERROR
    assert warn(caplog) == []


def test_without_a_certificate_there_is_no_warning(
    settings: Settings, caplog: pytest.LogCaptureFixture, image_job: Callable[[], Job]
) -> None:
    settings.C2PA_CERTIFICATE_PATH = settings.C2PA_PRIVATE_KEY = ""
    assert warn(caplog) == []
    image_job()
    assert admission.admit_all() == 1


@pytest.mark.parametrize("days", [29, 6, 0.5])
def test_features_go_on_until_it_has_ended(
    signs_as: Callable[..., None],  # noqa: F811
    image_job: Callable[[], Job],
    days: float,
) -> None:
    signs_as(until=expiring_in(days))
    image_job()
    assert admission.admit_all() == 1


def test_with_an_expired_certificate_only_features_without_media_are_admitted(
    signs_as: Callable[..., None],  # noqa: F811
    image_job: Callable[[], Job],
    make_job: Callable[..., Job],
    api: APIClient,
) -> None:
    signs_as(until=datetime.now(UTC) - PAST)
    waiting, transcription = image_job(), make_job()
    assert admission.admit_all() == 1
    for job in (waiting, transcription):
        job.refresh_from_db()
    assert (waiting.attempt_id, transcription.attempt_id is not None) == (None, True)
    listed = {entry["type"]: entry for entry in api.get("/features").json()["features"]}
    assert listed["image_generation"]["impaired_since"] is not None
    assert listed["image_generation"]["next_try_at"] is None
    assert listed["transcription"]["impaired_since"] is None
    assert api.get(f"/jobs/{waiting.pk}").json()["estimated_start_at"] is None

    signs_as()  # renewed
    circuits.forget_cache()
    assert admission.admit_all() == 1


def test_with_an_expired_certificate_no_retry_is_bought(
    signs_as: Callable[..., None],  # noqa: F811
    image_job: Callable[[], Job],
) -> None:
    job = image_job()
    assert admission.admit_all() == 1
    job.refresh_from_db()
    assert job.attempt_id is not None
    lifecycle.mark_errored(
        attempt_id=job.attempt_id,
        error=JobError.of(ErrorCode.STORAGE_ERROR),
        states=[AttemptState.QUEUED],
    )
    signs_as(until=datetime.now(UTC) - PAST)
    circuits.forget_cache()
    Job.objects.update(wake_at=Now())
    repair.reconcile()
    job.refresh_from_db()
    assert Attempt.objects.filter(job=job).count() == 1
    assert job.status == "pending"


def test_a_key_that_is_another_certificates_stops_them_since_it_was_seen(
    signs_as: Callable[..., None],  # noqa: F811
    settings: Settings,
    image_job: Callable[[], Job],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    signs_as()
    key = settings.C2PA_PRIVATE_KEY
    signs_as()
    settings.C2PA_PRIVATE_KEY = key
    image_job()
    assert admission.admit_all() == 0
    monkeypatch.setattr(circuits, "CACHE_SECONDS", 0.0)
    first, second = (circuits.open_circuits()[circuits.CERTIFICATE] for _ in range(2))
    assert first == second


def test_metrics_show_its_end_and_whether_it_signs(
    signs_as: Callable[..., None],  # noqa: F811
) -> None:
    for days, is_open in ((6, 0.0), (-0.5, 1.0)):
        ends_at = expiring_in(days)
        signs_as(until=ends_at)
        circuits.forget_cache()
        samples = {
            (sample.name, sample.labels.get("circuit")): sample.value
            for metric in metrics.Gauges().collect()
            for sample in metric.samples
        }
        assert samples["auteur_circuit_open", circuits.CERTIFICATE] == is_open
        expiry = samples["auteur_certificate_expiry_timestamp_seconds", None]
        assert expiry == pytest.approx(ends_at.timestamp(), abs=1)
