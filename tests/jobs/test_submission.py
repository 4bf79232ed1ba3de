"""Submission over HTTP: what is charged, what is refused, and that nothing is lost by it."""

import threading
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connections
from rest_framework.exceptions import ValidationError

from credits import ledger
from credits.models import CreditTransaction
from jobs import submission
from jobs.features.registry import get_feature
from jobs.models import Event, Job
from media.models import MediaStatus, MediaType
from projects.models import Project

URL = "/jobs/transcription"


def submit(api, media, **parameters):
    return api.post(URL, {"media_id": str(media.pk), **parameters}, format="json")


def nothing_happened(user):
    return not Job.objects.exists() and ledger.get_balance(user_id=user.pk) == 100


@pytest.mark.parametrize(
    ("duration_ms", "cost"),
    [(1, 1), (120_000, 1), (120_001, 2), (600_000, 5), (600_001, 6)],
)
def test_a_job_costs_one_credit_per_started_two_minutes(api, user, make_media, duration_ms, cost):
    answer = submit(api, make_media(duration_ms=duration_ms))
    job = Job.objects.get()
    assert answer.status_code == 202
    assert answer.json() == {
        "id": str(job.pk),
        "job_id": str(job.pk),
        "status": "pending",
        "credits_cost": cost,
        "waits_for": None,
    }
    usage = CreditTransaction.objects.get(job=job)
    assert (usage.type, usage.amount, usage.balance_after) == ("usage", -cost, 100 - cost)
    assert ledger.get_balance(user_id=user.pk) == 100 - cost
    assert Event.objects.get(job=job).type == "requested"


def test_the_media_and_its_project_are_kept_with_the_job(api, user, make_media):
    project = Project.objects.create(user=user, name="Film")
    media = make_media(project=project)
    submit(api, media)
    job = Job.objects.get()
    assert (job.project_id, job.media_ids) == (project.pk, [media.pk])
    assert job.input_params == {"media_id": str(media.pk)}
    assert job.derived_params == {"language": "en", "speaker_diarization": True}


@pytest.fixture
def dear(monkeypatch):
    """A hundred credits for the first two minutes."""
    tariff = {"credits": 100, "per_started_ms": 120_000}
    monkeypatch.setattr(type(get_feature("transcription")), "tariff", tariff)


def test_not_enough_credits(api, user, make_media, dear):
    answer = submit(api, make_media(duration_ms=120_001))
    body = answer.json()
    assert answer.status_code == 402
    assert answer["Content-Type"] == "application/problem+json"
    assert (body["code"], body["balance"], body["required"]) == ("insufficient_credits", 100, 200)
    assert nothing_happened(user)


def test_the_last_credit_can_be_spent(api, user, make_media, dear):
    assert submit(api, make_media(duration_ms=120_000)).status_code == 202
    assert ledger.get_balance(user_id=user.pk) == 0


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"status": MediaStatus.UPLOADING}, "media_not_ready"),
        ({"status": MediaStatus.REJECTED}, "media_not_ready"),
        ({"type": MediaType.IMAGE}, "wrong_media_type"),
        ({"metadata": {"has_audio": False}}, "no_sound"),
    ],
)
def test_media_that_cannot_be_transcribed(api, user, make_media, fields, code):
    answer = submit(api, make_media(**fields))
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["code"] == code
    assert answer.json()["errors"][0]["field"] == "media_id"
    assert nothing_happened(user)


def test_media_and_projects_of_others_do_not_exist(api, user, make_user, make_media):
    other = make_user()
    theirs = Project.objects.create(user=other, name="Theirs")
    assert submit(api, make_media(other)).status_code == 404
    assert submit(api, make_media(), project_id=str(theirs.pk)).status_code == 404
    assert submit(api, make_media(), project_id=str(uuid.uuid4())).status_code == 404
    assert nothing_happened(user)


@pytest.mark.parametrize(
    ("parameters", "field", "code"),
    [
        ({"language": "xx"}, "language", "unknown_language"),
        ({"language": "e" * 9}, "language", "max_length"),
        ({"media_id": "nonsense"}, "media_id", "invalid"),
        ({"media_id": None}, "media_id", "null"),
        ({"media_id": 5}, "media_id", "invalid"),
        ({"media_id": True}, "media_id", "invalid"),
        ({"media_id": []}, "media_id", "invalid"),
        ({"project_id": 5}, "project_id", "invalid"),
        ({"speaker_diarization": "perhaps"}, "speaker_diarization", "invalid"),
        ({"langauge": "en"}, "langauge", "unknown_parameter"),
    ],
)
def test_bad_parameters_are_named(api, user, make_media, parameters, field, code):
    answer = submit(api, make_media(), **parameters)
    assert answer.status_code == 400
    assert (answer.json()["code"], answer.json()["errors"][0]["field"]) == ("invalid", field)
    assert answer.json()["errors"][0]["code"] == code
    assert nothing_happened(user)


@pytest.mark.parametrize("body", [b"{", b"", b"[]", b'"text"', b"null", b"\xff\xfe"])
def test_a_body_that_is_no_json_object(api, user, body):
    answer = api.post(URL, body, content_type="application/json")
    assert answer.status_code == 400
    assert answer["Content-Type"] == "application/problem+json"
    assert nothing_happened(user)


def test_a_form_is_not_taken(api):
    assert api.post(URL, {"media_id": "x"}, format=None).status_code == 415


@pytest.mark.django_db(transaction=True)
def test_concurrent_submissions_never_overdraw(make_user, make_media, client_of):
    user = make_user(balance=5)
    media = make_media(user)
    statuses = []

    def run():
        statuses.append(submit(client_of(user), media).status_code)
        connections.close_all()

    threads = [threading.Thread(target=run) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [202] * 5 + [402] * 7
    assert ledger.get_balance(user_id=user.pk) == 0
    assert Job.objects.count() == 5


def test_submission_works_without_redis(api, make_media, settings, monkeypatch):
    from auteur.core.api import throttling
    from jobs import wake_signal

    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    throttling._get_limiter.cache_clear()
    wake_signal._get_client.cache_clear()
    try:
        assert submit(api, make_media()).status_code == 202
        assert Job.objects.count() == 1
    finally:
        throttling._get_limiter.cache_clear()
        wake_signal._get_client.cache_clear()


def test_parameters_of_threads_do_not_mix():
    """Each thread keeps one serializer of a feature: what it read, and for whom, stays with it."""
    feature, gate = get_feature("tts"), threading.Barrier(8)
    texts = [f"Text number {number}." for number in range(8)]

    def read(text):
        gate.wait()
        results = [
            submission.validate(feature=feature, user_id=uuid.uuid4(), data={"text": text})
            for _ in range(50)
        ]
        with pytest.raises(ValidationError):
            submission.validate(feature=feature, user_id=uuid.uuid4(), data={"nonsense": text})
        return {first["text"] for first in results}

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(read, texts)) == [{text} for text in texts]
