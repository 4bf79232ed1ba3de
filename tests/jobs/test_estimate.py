"""`POST /jobs/<feature>/estimate`: the price without the charge, and quotes that hold it."""

from datetime import UTC, datetime, timedelta

import pytest
from django.core import signing
from django.db import connection
from django.utils import timezone

from credits import ledger
from credits.models import CreditTransaction
from jobs import queries, quotes, sql, submission
from jobs.features.parameters import MAX_QUOTE_LENGTH
from jobs.features.registry import get_feature
from jobs.models import Job
from jobs.states import JobStatus

NOOP = "/jobs/noop"
TRANSCRIPTION = "/jobs/transcription"


def estimate(api, path=NOOP, **body):
    return api.post(f"{path}/estimate", body, format="json")


def submit(api, path=NOOP, **body):
    return api.post(path, body, format="json")


def refused(answer):
    body = answer.json()
    return (answer.status_code, body["code"], body["errors"][0]["field"]) == (
        400,
        "invalid_quote",
        "quote_id",
    )


def quote_with(user, *, credits=1, expires_in=timedelta(minutes=5), **parameters):
    """A quote as it would have been signed at another time, by another tariff."""
    feature = get_feature("noop")
    valid_parameters = submission.validate(feature=feature, user_id=user.pk, data=parameters)
    terms = quotes._hash_terms(feature, user.pk, valid_parameters)
    expires_at = int((timezone.now() + expires_in).timestamp())
    return quotes._SIGNER.sign_object([terms, credits, "before", expires_at])


def completed(seconds, *, like, age=timedelta(0)):
    """A copy of a job that was completed ``seconds`` after it was asked for."""
    created_at = timezone.now() - age
    return Job.objects.create(
        user=like.user,
        type=like.type,
        gpu_class=like.gpu_class,
        credits_cost=0,
        price_version="",
        status=JobStatus.COMPLETED,
        wake_at=None,
        start_deadline_at=created_at,
        created_at=created_at,
        completed_at=created_at + timedelta(seconds=seconds),
    )


class TestEstimate:
    def test_it_says_the_price_and_charges_nothing(self, api, user, make_media):
        media = make_media(duration_ms=600_000)
        before = datetime.now(UTC)
        answer = estimate(api, TRANSCRIPTION, media_id=str(media.pk))
        body = answer.json()
        assert answer.status_code == 200
        assert set(body) == {
            "credits",
            "price_version",
            "quote_id",
            "expires_at",
            "duration_p50_ms",
            "duration_p90_ms",
            "seconds_p50",
            "seconds_p90",
        }
        assert (body["credits"], body["seconds_p50"], body["seconds_p90"]) == (5, None, None)
        lifetime = datetime.fromisoformat(body["expires_at"]) - before
        assert timedelta(minutes=14, seconds=58) < lifetime <= timedelta(minutes=15, seconds=1)
        assert ledger.get_balance(user_id=user.pk) == 100
        assert not Job.objects.exists()

    def test_it_needs_no_credits(self, client_of, make_user):
        assert estimate(client_of(make_user()), price=50).json()["credits"] == 50

    def test_it_checks_what_submission_checks(self, api, make_user, make_media):
        assert estimate(api, price=-1).json()["errors"][0]["field"] == "price"
        assert estimate(api, colour="red").json()["errors"][0]["code"] == "unknown_parameter"
        theirs = make_media(make_user())
        assert estimate(api, TRANSCRIPTION, media_id=str(theirs.pk)).status_code == 404

    def test_it_needs_the_plan_that_submission_needs(self, api, user, monkeypatch):
        monkeypatch.setattr(type(get_feature("noop")), "plan", "pro")
        answer = estimate(api)
        assert (answer.status_code, answer.json()["code"]) == (403, "plan_required")
        user.subscriptions.create(plan="pro", status="active")
        assert estimate(api).status_code == 200

    def test_a_job_keeps_the_version_of_its_price(self, api):
        version = estimate(api).json()["price_version"]
        submit(api)
        assert Job.objects.get().price_version == version == get_feature("noop").price_version

    def test_the_version_changes_with_the_tariff_alone(self, monkeypatch):
        feature = get_feature("transcription")
        before = feature.price_version
        assert feature.price_version == before
        dearer = {**feature.tariff, "credits": 2}
        monkeypatch.setattr(type(feature), "tariff", dearer)
        assert feature.price_version != before

    def test_the_tariff_is_what_the_price_reckons_with(self, api, make_media, monkeypatch):
        feature = get_feature("transcription")
        monkeypatch.setattr(type(feature), "tariff", {"credits": 3, "per_started_ms": 60_000})
        media = make_media(duration_ms=120_001)
        assert estimate(api, TRANSCRIPTION, media_id=str(media.pk)).json()["credits"] == 9


class TestSeconds:
    def test_how_long_the_last_ones_took(self, api):
        submit(api)
        like = Job.objects.get()
        for seconds in range(1, 12):
            completed(seconds, like=like)
        body = estimate(api).json()
        assert (body["seconds_p50"], body["seconds_p90"]) == (6.0, 10.0)

    def test_one_is_experience_enough(self, api):
        submit(api)
        completed(2.5, like=Job.objects.get())
        body = estimate(api).json()
        assert (body["seconds_p50"], body["seconds_p90"]) == (2.5, 2.5)

    def test_older_ones_and_other_features_do_not_count(self, api, make_job, monkeypatch):
        monkeypatch.setattr(queries, "RECENT_JOBS", 3)
        submit(api)
        like = Job.objects.get()
        for seconds in (10, 20, 30):
            completed(seconds, like=like, age=timedelta(minutes=1))
        completed(1000, like=like, age=timedelta(hours=1))
        completed(1000, like=make_job())
        assert estimate(api).json()["seconds_p50"] == 20.0

    def test_an_index_finds_them(self, db):
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan = off")
            cursor.execute(
                "EXPLAIN " + sql.STATEMENTS["recent_seconds"], {"type": "noop", "limit": 100}
            )
            plan = "\n".join(line for (line,) in cursor.fetchall())
        assert "jobs_ended_by_type" in plan
        assert "Sort" not in plan


class TestQuote:
    def test_a_job_costs_what_its_quote_said(self, api, user):
        quote_id = estimate(api, price=7).json()["quote_id"]
        assert len(quote_id) <= MAX_QUOTE_LENGTH
        answer = submit(api, price=7, quote_id=quote_id)
        assert answer.json()["credits_cost"] == 7
        job = Job.objects.get()
        assert "quote_id" not in (job.input_params or {})
        assert CreditTransaction.objects.get(job=job).amount == -7

    def test_when_prices_rise_the_quote_holds(self, api, user):
        quote_id = quote_with(user, credits=4, price=7)
        assert submit(api, price=7, quote_id=quote_id).json()["credits_cost"] == 4
        assert Job.objects.get().price_version == "before"

    def test_when_prices_fall_they_hold(self, api, user):
        quote_id = quote_with(user, credits=9, price=7)
        assert submit(api, price=7, quote_id=quote_id).json()["credits_cost"] == 7
        assert Job.objects.get().price_version == get_feature("noop").price_version

    def test_absent_parameters_are_the_same_as_their_defaults(self, api):
        quote_id = estimate(api).json()["quote_id"]
        assert submit(api, price=1, seconds=0, quote_id=quote_id).status_code == 202

    def test_it_is_for_the_same_parameters_only(self, api, user):
        quote_id = estimate(api, price=1).json()["quote_id"]
        assert refused(submit(api, price=2, quote_id=quote_id))
        assert ledger.get_balance(user_id=user.pk) == 100

    def test_it_is_for_the_same_feature_only(self, api, make_media):
        quote_id = estimate(api).json()["quote_id"]
        answer = submit(api, TRANSCRIPTION, media_id=str(make_media().pk), quote_id=quote_id)
        assert refused(answer)

    def test_it_is_for_the_same_user_only(self, api, client_of, make_user):
        quote_id = estimate(client_of(make_user())).json()["quote_id"]
        assert refused(submit(api, quote_id=quote_id))

    def test_an_altered_one_is_refused(self, api):
        quote_id = estimate(api).json()["quote_id"]
        value, _, signature = quote_id.rpartition(":")
        for wrong in (value, f"{value}x:{signature}", f"{value}:{signature[:-1]}", "x", "a:b:c"):
            assert refused(submit(api, quote_id=wrong))

    def test_one_that_was_signed_for_something_else_is_refused(self, api):
        foreign = signing.Signer(salt="elsewhere").sign_object(["", 0, "", 4_000_000_000])
        assert refused(submit(api, quote_id=foreign))

    @pytest.mark.parametrize(
        ("seconds", "status"), [(60, 202), (2, 202), (0, 400), (-1, 400), (-3600, 400)]
    )
    def test_it_holds_until_it_expires(self, api, user, seconds, status):
        quote_id = quote_with(user, expires_in=timedelta(seconds=seconds))
        assert submit(api, quote_id=quote_id).status_code == status

    @pytest.mark.parametrize(
        ("length", "code"),
        [(MAX_QUOTE_LENGTH, "invalid_quote"), (MAX_QUOTE_LENGTH + 1, "max_length")],
    )
    def test_its_length_is_bounded(self, api, length, code):
        answer = submit(api, quote_id="q" * length)
        assert (answer.status_code, answer.json()["errors"][0]["code"]) == (400, code)
