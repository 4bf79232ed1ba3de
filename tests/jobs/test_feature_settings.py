"""Settings of features, as users and operators see them: off, prices, limits, GPUs, models."""

import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.utils import timezone

from auteur.devstack.processes import BASE_DIR
from credits import ledger
from gpu_tasks.runtime import overrides
from gpu_tasks.runtime.contract import GpuClass
from gpu_tasks.runtime.engine import contracts
from jobs import lifecycle, submission, workflow
from jobs.calls.capacity import class_limit
from jobs.estimates import costs
from jobs.features.base import MAX_PRICE
from jobs.features.registry import check_prices, features, get_feature
from jobs.models import Attempt, Job
from jobs.orchestrator import admission
from jobs.states import AttemptState, JobStatus
from media.storage import MAX_WRITE_LIFETIME
from tests.jobs.gpu_workers import gpu_worker
from tests.jobs.walk import admit, bring_to
from tests.waiting import until

DISABLED = (503, "feature_disabled", "600")
OTHER = "someone/other@1111111111111111111111111111111111111111"
CALL_SECONDS = 30.0


def refused(answer: Any) -> tuple[int, str, str]:
    return answer.status_code, answer.json()["code"], answer.headers["Retry-After"]


@pytest.fixture
def set_contract(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """A feature whose contract was made with these variables, as in a process that has them."""

    def make(name: str, **variables: str) -> None:
        feature = get_feature(name)
        for variable, value in variables.items():
            monkeypatch.setenv(variable, value)
        created = replace(feature.contract)
        monkeypatch.setattr(type(feature), "contract", created)
        monkeypatch.setitem(contracts(), name, created)

    return make


class TestOff:
    def test_nobody_can_ask_for_it_and_nothing_is_charged(self, api, user, make_job, settings):
        job = make_job()
        lifecycle.cancel(job_id=job.pk, by="user")
        settings.FEATURES_DISABLED = ["transcription"]
        request_data = {"media_id": str(job.media_ids[0])}
        batch = {"jobs": [{"type": "noop"}, {"type": "transcription", **request_data}]}
        for path, body in (
            ("/jobs/transcription", request_data),
            ("/jobs/transcription", {"nonsense": True}),
            ("/jobs/transcription/estimate", request_data),
            ("/jobs/batch", batch),
            (f"/jobs/{job.pk}/retry", {}),
        ):
            answer = api.post(path, body, format="json")
            assert refused(answer) == DISABLED, path
            assert answer.json()["feature"] == "transcription"
        assert (Job.objects.count(), ledger.get_balance(user_id=user.pk)) == (1, 100)
        assert api.post("/jobs/noop", {}, format="json").status_code == 202

    def test_the_list_of_features_says_so(self, api, settings):
        def told(name: str) -> tuple[bool, bool]:
            listed = {
                feature["type"]: feature for feature in api.get("/features").json()["features"]
            }
            return listed[name]["enabled"], listed[name]["available"]

        assert told("render") == (True, True)
        settings.FEATURES_DISABLED = ["render"]
        assert told("render") == (False, False)
        assert told("noop") == (True, True)

    def test_who_lost_the_answer_of_an_accepted_job_still_gets_it(self, api, settings):
        sent = {"path": "/jobs/noop", "data": {}, "format": "json"}
        first = api.post(**sent, headers={"Idempotency-Key": "k"})
        settings.FEATURES_DISABLED = ["noop"]
        again = api.post(**sent, headers={"Idempotency-Key": "k"})
        assert (again.status_code, again.content) == (202, first.content)
        assert refused(api.post(**sent, headers={"Idempotency-Key": "new"})) == DISABLED
        settings.FEATURES_DISABLED = []
        response = api.post(**sent, headers={"Idempotency-Key": "new"})
        assert (response.status_code, Job.objects.count()) == (202, 2)

    @pytest.mark.parametrize("state", [None, AttemptState.RUNNING])
    def test_open_jobs_finish(self, make_job, settings, state):
        job = make_job()
        if state:
            bring_to(job, state)
        settings.FEATURES_DISABLED = ["transcription"]
        if state:
            lifecycle.requeue_job(job_id=job.pk, by="staff")  # a further attempt is no new job
            assert Attempt.objects.filter(job=job).count() == 2
        else:
            bring_to(job, AttemptState.COMPLETED)
            job.refresh_from_db()
            assert job.status == JobStatus.COMPLETED

    def test_staff_who_run_it_again_are_told(self, make_job, settings):
        job = make_job()
        lifecycle.cancel(job_id=job.pk, by="user")
        job.refresh_from_db()
        settings.FEATURES_DISABLED = ["transcription"]
        with pytest.raises(
            submission.FeatureDisabledProblem, match="transcription is currently switched off"
        ):
            submission.resubmit(
                job=job, feature=get_feature(job.type), plan=None, charged=False, by="staff"
            )


class TestPrices:
    @pytest.fixture
    def asked(self, make_media) -> dict[str, str]:
        """Ten minutes and one millisecond: six started units of two minutes."""
        return {"media_id": str(make_media(duration_ms=600_001).pk)}

    @pytest.fixture
    def price(self, api, asked) -> Callable[..., Any]:
        """What an estimate says; with a quote, what a job then costs."""

        def get(quote_id: str | None = None) -> Any:
            path, quoted = "/jobs/transcription", {"quote_id": quote_id} if quote_id else {}
            answer = api.post(path if quote_id else f"{path}/estimate", asked | quoted, "json")
            return answer.json()

        return get

    @pytest.mark.parametrize(
        ("rates", "credits"),
        [
            ({"credits": 4}, 24),
            ({"base": 3}, 9),
            ({"per_started_ms": 600_000}, 2),
            ({"per_started_ms": 600_001, "credits": 5, "base": 1}, 6),
            ({"credits": 0}, 0),
            ({"credits": MAX_PRICE}, MAX_PRICE),
        ],
    )
    def test_each_number_of_a_tariff_can_be_set(self, price, settings, rates, credits):
        version = price()["price_version"]
        settings.FEATURE_PRICES = {f"transcription.{name}": n for name, n in rates.items()}
        check_prices()
        output = price()
        assert (output["credits"], output["price_version"] == version) == (credits, False)
        assert get_feature("tts").rates == get_feature("tts").tariff

    def test_the_same_numbers_have_the_same_version(self, price, settings):
        before = price()
        settings.FEATURE_PRICES = {"transcription.credits": 1}
        assert price()["price_version"] == before["price_version"]

    def test_what_is_offered_has_the_set_price(self, api, settings):
        settings.FEATURE_PRICES = {"video_query.base": 0, "video_query.per_started_ms": 30_000}
        listed = {
            feature["type"]: feature["price"] for feature in api.get("/features").json()["features"]
        }
        video_query = listed["video_query"]
        assert (
            video_query["base"],
            video_query["per"],
            video_query["credits"],
            video_query["minimum"],
        ) == (0, 30_000, 1, 1)

    def test_a_job_costs_no_more_than_its_estimate_said(self, price, settings, user):
        promised = price()
        settings.FEATURE_PRICES = {"transcription.credits": 10}
        assert price()["credits"] == 60
        created = price(promised["quote_id"])
        assert created["credits_cost"] == promised["credits"] == 6
        job = Job.objects.get(pk=created["job_id"])
        assert job.price_version == promised["price_version"]
        assert ledger.get_balance(user_id=user.pk) == 94

    def test_nor_more_than_it_costs_today(self, price, settings):
        settings.FEATURE_PRICES = {"transcription.credits": 10}
        promised = price()
        settings.FEATURE_PRICES = {}
        assert price(promised["quote_id"])["credits_cost"] == 6

    def test_what_is_free_costs_nobody_and_is_made(self, api, make_user, client_of, settings):
        settings.FEATURE_PRICES = {"image_generation.credits": 0}
        poor = client_of(make_user(balance=0))
        request_data = {"prompt": "the sea", "width": 256, "height": 256}
        answer = poor.post("/jobs/image-generation", request_data, format="json")
        assert (answer.status_code, answer.json()["credits_cost"]) == (202, 0)

    @pytest.mark.parametrize(
        ("name", "value", "why"),
        [
            (
                "tts.price",
                1,
                "has the unknown number tts.price: use tts.base, tts.credits, ",
            ),
            ("tts", 1, "has the unknown number tts: use tts.base"),
            ("mime.credits", 1, "has the unknown number mime.credits: use audio_generation, "),
            ("noop.credits", 1, "has the unknown number noop.credits: use "),
            (
                "image_generation.per_started_ms",
                5,
                "has the unknown number image_generation.per_started_ms",
            ),
            ("tts.per_started_characters", 0, "sets tts.per_started_characters to 0: use 1 to"),
            ("tts.credits", MAX_PRICE + 1, "sets tts.credits to 10000001: use 0 to 10000000."),
        ],
    )
    def test_what_no_price_is_reckoned_with_is_refused(self, settings, name, value, why):
        settings.FEATURE_PRICES = {name: value}
        with pytest.raises(ImproperlyConfigured) as stopped:
            check_prices()
        assert str(stopped.value).startswith(f"FEATURE_PRICES {why}")


class TestAtOnce:
    def test_no_more_are_let_in_than_is_set_on_cpus_as_well(self, user, set_contract):
        set_contract("noop", FEATURE_AT_ONCE="noop=2")
        batch = submission.submit_batch(user_id=user.pk, plan=None, items=[{"type": "noop"}] * 4)
        admission.admit_all()
        admission.admit_all()
        admitted = Job.objects.exclude(attempt=None)
        assert admitted.count() == 2
        lifecycle.cancel(job_id=admitted.earliest("rank").pk, by="user")
        admission.admit_all()
        assert Job.objects.exclude(attempt=None).count() == 3
        assert len(batch.jobs) == 4

    @pytest.mark.parametrize(("at_once", "told"), [(3, 3), (4, 4), (5, 4)])
    def test_clients_are_told_the_lower_limit(self, api, settings, set_contract, at_once, told):
        settings.CPU_LIMIT = 4
        set_contract("render", FEATURE_AT_ONCE=f"render={at_once}")
        listed = {feature["type"]: feature for feature in api.get("/features").json()["features"]}
        assert listed["render"]["limits"]["in_flight"] == told


class TestTime:
    def test_deadlines_leases_and_addresses_follow(self, make_job, set_contract, api):
        set_contract("transcription", FEATURE_TIME_LIMITS="transcription=1200")
        feature, job = get_feature("transcription"), make_job()
        before = timezone.now()
        attempt = admit(job)
        workflow.prepare([attempt.pk])
        attempt.refresh_from_db()
        url = workflow.signed_payload(attempt).model_dump()["media"]["url"]
        [expires] = parse_qs(urlsplit(url).query)["expires"]
        assert int(expires) - time.time() > 3 * 1200 + 290
        workflow.dispatch([attempt.pk])
        job.refresh_from_db()
        assert job.deadline_at - before > timedelta(seconds=3 * 1200 + 299)
        assert lifecycle.call_lease(feature) == timedelta(seconds=1260)
        listed = {
            feature_row["type"]: feature_row
            for feature_row in api.get("/features").json()["features"]
        }
        assert listed["transcription"]["limits"]["run_seconds"] == 1200

    def test_the_longest_job_ends_while_what_it_wrote_is_kept(self, set_contract):
        maximum = overrides.MAX_TIME_LIMIT_SECONDS
        for name in features():
            set_contract(name, FEATURE_TIME_LIMITS=f"{name}={maximum}")
            assert get_feature(name).run_limit < MAX_WRITE_LIFETIME


class TestGpu:
    def test_jobs_wait_for_the_gpu_that_is_set_and_cost_its_price(
        self, make_job, settings, set_contract
    ):
        settings.INFERENCE_ENGINES = {"transcription": "production"}
        settings.INFERENCE_BACKEND = "modal"
        waiting = make_job()
        set_contract("transcription", FEATURE_GPUS="transcription=T4")
        job = make_job()
        assert (waiting.gpu_class, job.gpu_class) == (GpuClass.A10G, GpuClass.T4)
        assert (class_limit(GpuClass.T4), costs.get_gpu_price(GpuClass.T4)) == (100, 0.000164)
        for item in (waiting, job):  # what waited under the other class is not left behind
            attempt = admit(item)
            assert attempt.gpu_class == item.gpu_class


@pytest.fixture
def own_t4(tmp_path: Path, settings, live_server, set_contract) -> Iterator[None]:
    """A worker for T4s with other settings than the defaults, and this process with the same."""
    variables = {
        "FEATURE_GPUS": "noop_gpu=T4",
        "FEATURE_MODELS": f"noop_gpu.noop={OTHER}",
        "FEATURE_TIME_LIMITS": "noop_gpu=30",
    }
    set_contract("noop_gpu", **variables)
    settings.INFERENCE_BACKEND = "modal"
    settings.INFERENCE_BACKENDS = {"noop_gpu": "local"}
    settings.INFERENCE_ENGINES = {"noop_gpu": "production"}
    settings.GPU_CALLBACK_URL = f"{live_server.url}/internal/gpu-callback"
    with gpu_worker(tmp_path / "worker.log", "t4", FEATURES_DISABLED="noop_gpu", **variables):
        yield


@pytest.mark.django_db(transaction=True)
def test_a_job_whose_feature_is_switched_off_while_it_runs_finishes_as_set(own_t4, api, settings):
    body = api.post("/jobs/noop-gpu", {"seconds": 0.5}, format="json").json()
    admission.admit_all()
    attempt = Attempt.objects.get(job_id=body["job_id"])
    workflow.prepare([attempt.pk])
    workflow.dispatch([attempt.pk])
    settings.FEATURES_DISABLED = ["noop_gpu"]
    assert refused(api.post("/jobs/noop-gpu", {}, format="json")) == DISABLED
    until(Attempt.objects.filter(pk=attempt.pk, reported_at__isnull=False).exists, CALL_SECONDS)
    workflow.collect([attempt.pk])
    workflow.finalize([attempt.pk])
    job_body = api.get(f"/jobs/{body['job_id']}").json()
    assert job_body["status"] == "completed"
    assert job_body["output_data"]["engine"]["model"] == f"{OTHER}, float32 on cpu"
    assert Attempt.objects.get(pk=attempt.pk).gpu_class == "T4"


def test_programs_see_what_is_set_and_what_the_default_is(settings, set_contract) -> None:
    own = contracts()["transcription"].models["asr"]
    set_contract(
        "transcription",
        FEATURE_GPUS="transcription=L4",
        FEATURE_MODELS=f"transcription.asr={OTHER}",
        FEATURE_TIME_LIMITS="transcription=900",
    )
    settings.FEATURE_PRICES = {"transcription.credits": 3, "transcription.base": 1}
    settings.FEATURES_DISABLED = ["render", "lip_sync"]
    out = io.StringIO()
    call_command("features", "--json", stdout=out)
    by_slug = {transcription["slug"]: transcription for transcription in json.loads(out.getvalue())}
    transcription = by_slug["transcription"]
    assert (
        transcription["gpu"],
        transcription["time_limit_seconds"],
        transcription["models"]["asr"],
    ) == ("L4", 900, OTHER)
    assert transcription["tariff"] == {"credits": 3, "per_started_ms": 120_000, "base": 1}
    assert transcription["defaults"] == {
        "gpu": "A10G",
        "time_limit_seconds": 600,
        "models": {"asr": own},
        "tariff": {"credits": 1, "base": 0},
    }
    assert {slug for slug, transcription in by_slug.items() if not transcription["enabled"]} == {
        "render",
        "lip-sync",
    }
    assert by_slug["tts"]["defaults"] == {}


def test_a_process_that_starts_with_them_has_them_all() -> None:
    own = contracts()["transcription"].models["asr"]
    variables = {
        "FEATURES_DISABLED": "render, lip_sync",
        "FEATURE_AT_ONCE": "image_generation=20",
        "FEATURE_GPUS": "transcription=L4",
        "FEATURE_MODELS": f"transcription.asr={OTHER}",
        "FEATURE_PRICES": "transcription.credits=3,transcription.base=1",
        "FEATURE_TIME_LIMITS": "transcription=900",
        "INFERENCE_ENGINE": "production",
    }
    done = subprocess.run(
        [sys.executable, "manage.py", "features"],
        cwd=BASE_DIR,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=True,
    )
    lines = {line.split()[0]: line for line in done.stdout.splitlines()}
    assert lines["transcription"].endswith(
        "production on local, L4 (default A10G), 900 s (default 600); "
        "credits 3 (default 1), per_started_ms 120000, base 1 (default none)"
    )
    assert lines["asr"] == f"  asr {OTHER} (default {own})"
    assert lines["image-generation"].endswith("; 20 at once (default 10)")
    assert lines["render"].endswith("; switched off")
    assert lines["lip-sync"].endswith("; switched off")
