"""A partner's round: what it asks for comes back on its topics, once, or why it does not."""

import json
import logging
from collections.abc import Callable
from typing import Any

import pytest
from django.db import transaction
from django.db.models.functions import Now
from rest_framework.test import APIClient

from accounts.models import User
from credits import ledger
from jobs import lifecycle
from jobs.integrations.partners import answers, dead_letters
from jobs.integrations.partners.consumer import Consumer
from jobs.integrations.partners.models import DeadLetter, Partner, PartnerRequest, State
from jobs.models import Job
from jobs.states import JobStatus
from media.models import MediaFile
from tests.jobs.integrations.partners.conftest import Platform, hurry
from tests.media.imports.source import File, Source, plain

pytestmark = pytest.mark.django_db

Serve = Callable[..., None]
WORDS = [
    {"text": "Guten", "start": 0.01, "end": 0.15},
    {"text": "Tag", "start": 0.16, "end": 0.35},
]


def captions(partner: Partner, video_id: str) -> Any:
    storage, key = answers.get_captions_location(partner, video_id)
    return json.loads(storage.read(key, 10_000))


def test_a_video_is_transcribed_and_its_captions_are_stored(
    partner: Partner, platform: Platform, serve: Serve, user: User, caplog
):
    caplog.set_level(logging.INFO)
    metadata = {"title": "Algebra I", "courseId": "c-1", "userId": "u-1"}
    url = platform.source.url("/film.mp4?token=secret")
    platform.asks("lesson-1", video_url=url, metadata=metadata)
    serve()
    ((key, _),) = platform.hears()
    expected = {
        "video_id": "lesson-1",
        "transcription": {"duration": 0.4, "language": "de", "words": WORDS},
    }
    assert (key, platform.answer()) == ("lesson-1", expected)
    assert captions(partner, "lesson-1") == expected
    job = Job.objects.get()
    assert (job.user_id, job.type, job.status) == (user.pk, "transcription", JobStatus.COMPLETED)
    assert ledger.get_balance(user_id=user.pk) == 100 - job.credits_cost
    request = PartnerRequest.objects.get()
    assert (request.state, request.url, request.holder) == (State.ANSWERED, None, None)
    assert request.source == platform.source.url("/film.mp4")
    stored = str(PartnerRequest.objects.values().get()) + caplog.text
    assert "secret" not in stored
    assert "Algebra" not in stored
    assert not MediaFile.objects.exists()
    assert platform.waiting() == 0


def test_a_video_is_compressed_and_its_address_lasts_until_it_is_deleted(
    platform: Platform, serve: Serve, api: APIClient, client
):
    platform.asks("lesson-2", "compress_topic")
    serve()
    ((key, value),) = platform.hears("compressed_topic")
    path = "/shared/" + value.decode().partition("/shared/")[2]
    media_file = MediaFile.objects.get()
    assert key == "lesson-2"
    for _ in range(2):
        led = client.get(path, headers={"accept": "video/mp4"})
        assert (led.status_code, led["Cache-Control"]) == (302, "no-store")
        assert media_file.r2_key in led["Location"]
    assert client.head(path).status_code == 302
    assert client.get(f"{path}x").status_code == 404
    assert api.delete(f"/media/{media_file.pk}").status_code == 204
    assert client.get(path).status_code == 404


def test_of_an_address_that_was_answered_a_hash_is_stored(
    platform: Platform, serve: Serve, client, monkeypatch
):
    platform.asks("lesson-2", "compress_topic")
    platform.asks("lesson-3", "compress_topic", target="archive")
    serve()
    tokens = [value.decode().rpartition("/")[2] for _, value in platform.hears("compressed_topic")]
    # A process of the release before has written this one.
    PartnerRequest.objects.filter(token=tokens[0]).update(token_hash=None)
    PartnerRequest.objects.filter(token=tokens[1]).update(state=State.ANSWERING, due_at=Now())

    def statuses() -> list[int]:
        return [client.get(f"/shared/{token}").status_code for token in tokens]

    assert statuses() == [302, 302]
    assert answers.hash_tokens() == 0, "a process of the release before may still need them"
    monkeypatch.setattr(answers, "_started_at", -answers.ROLLOUT.total_seconds())
    assert answers.hash_tokens() == 1
    assert statuses() == [302, 302]
    assert tokens[0] not in str(list(PartnerRequest.objects.values()))
    assert PartnerRequest.objects.get(token=tokens[1]).state == State.ANSWERING
    assert answers.hash_tokens() == 0


@pytest.mark.parametrize(
    "token", ["a", "a" * 42, "a" * 44, "%00", "a%00b", "ä" * 43, "a" * 42 + "="]
)
def test_what_cannot_be_a_token_leads_nowhere(client, token: str) -> None:
    assert client.get(f"/shared/{token}").status_code == 404
    assert client.head(f"/shared/{token}").status_code == 404


def test_addresses_are_asked_for_so_often_and_no_more(client, settings) -> None:
    settings.RATE_LIMIT = "1/minute"
    statuses = [client.get(f"/shared/{'a' * 43}").status_code for _ in range(11)]
    assert statuses == [404] * 10 + [429]


def test_an_address_is_that_of_the_public_bucket_where_there_is_one(
    platform: Platform, serve: Serve, settings
):
    settings.S3_PUBLIC_BASE_URL = "https://media.example.com"
    platform.asks("lesson-2", "compress_topic")
    serve()
    ((_, value),) = platform.hears("compressed_topic")
    assert value.decode() == f"https://media.example.com/{MediaFile.objects.get().r2_key}"


def test_videos_that_are_fetched_stay_where_the_partner_wants_them(
    make_partner, make_consumer, source: Source, platform: Platform, serve: Serve
):
    keeper = make_partner(keeps_sources=True)
    Platform(keeper, platform.store, source).asks()
    serve(make_consumer(keeper))
    assert MediaFile.objects.get().name == "film.mp4"


def test_a_message_that_comes_again_is_answered_once(platform: Platform, serve: Serve):
    for _ in range(3):
        platform.asks("again")
    serve()
    platform.asks("again")
    serve()
    assert len(platform.hears()) == 1
    assert Job.objects.count() == 1


def test_another_address_or_target_is_another_request(platform: Platform, consumer: Consumer):
    platform.asks("v1", "compress_topic", target="web")
    platform.asks("v1", "compress_topic", target="archive")
    platform.asks("v1", "compress_topic", video_url=platform.source.url("/film.mp4?v=2"))
    consumer.round()
    assert PartnerRequest.objects.count() == MediaFile.objects.count() == 3


def test_without_credits_the_partner_hears_so_and_may_ask_again(
    platform: Platform, serve: Serve, make_user, make_partner, make_consumer
):
    poor = make_user(balance=0)
    partner = make_partner(poor)
    platform = Platform(partner, platform.store, platform.source)
    consumer = make_consumer(partner)
    platform.asks("v1")
    serve(consumer)
    assert platform.hears() == []
    assert platform.answer("transcribe_failed_topic") == {
        "video_id": "v1",
        "error": {
            "code": "insufficient_credits",
            "message": "There are not enough credits for this. Buy more, or reduce the request.",
            "retryable": True,
        },
        "credits": {"balance": 0, "required": 1},
    }
    assert not Job.objects.exists()
    assert not MediaFile.objects.exists()
    with transaction.atomic():
        ledger.grant(user_id=poor.pk, amount=5)
    platform.asks("v1")
    serve(consumer)
    assert platform.answer()["video_id"] == "v1"


@pytest.mark.parametrize(
    ("path", "answer", "code"),
    [
        ("/none.mp4", plain(404), "source_not_found"),
        ("/page", plain(200, b"<html>", content_type="text/html"), "web_page"),
        ("/noise.mp4", File(b"no film" * 100), "unsupported_media"),
    ],
)
def test_a_video_that_cannot_be_fetched_or_read_is_told(
    platform: Platform, serve: Serve, path, answer, code
):
    platform.asks(video_url=platform.source.serves(path, answer))
    serve()
    error = platform.answer("transcribe_failed_topic")["error"]
    assert (error["code"], error["retryable"]) == (code, False)
    assert not MediaFile.objects.exists()


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("ftp://cdn.example/film.mp4", "scheme_refused"),
        ("http://169.254.169.254/latest/", "address_refused"),
        ("http://user:pass@cdn.example/a.mp4", "credentials_refused"),
        ("no url", "invalid_url"),
    ],
)
def test_an_address_that_we_do_not_call_is_told(
    platform: Platform, serve: Serve, url: str, code: str
):
    platform.asks("v1", "compress_topic", video_url=url)
    serve()
    assert platform.answer("compress_failed_topic")["error"]["code"] == code


def test_videos_lie_on_hosts_that_were_agreed_on(
    partner: Partner, platform: Platform, serve: Serve
):
    partner.url_hosts = ["127.0.0.1", ".cdn.example"]
    platform.asks("ours")
    for host in ("cdn.example.org", "evilcdn.example", "127.0.0.2"):
        platform.asks("theirs", video_url=f"http://{host}/film.mp4")
    serve()
    assert platform.answer()["video_id"] == "ours"
    errors = [json.loads(value)["error"] for _, value in platform.hears("transcribe_failed_topic")]
    assert [error["code"] for error in errors] == ["host_not_agreed"] * 3


def test_a_cancelled_job_is_told(platform: Platform, serve: Serve, consumer: Consumer, workers):
    platform.asks()
    consumer.round()
    workers()
    hurry()
    consumer.round()
    lifecycle.cancel(job_id=Job.objects.get().pk, by="staff")
    serve()
    error = platform.answer("transcribe_failed_topic")["error"]
    assert (error["code"], error["retryable"]) == ("CANCELLED", True)


def test_a_video_that_is_deleted_meanwhile_is_told(
    platform: Platform, serve: Serve, consumer: Consumer, api: APIClient
):
    platform.asks()
    consumer.round()
    assert api.delete(f"/media/{MediaFile.objects.get().pk}").status_code == 204
    serve()
    assert platform.answer("transcribe_failed_topic")["error"]["code"] == "media_deleted"


def test_an_answer_that_no_message_holds_is_told_and_its_captions_are_there(
    partner: Partner, platform: Platform, serve: Serve
):
    Partner.objects.filter(pk=partner.pk).update(max_answer_bytes=100)
    platform.asks("long")
    serve()
    assert platform.hears() == []
    assert platform.answer("transcribe_failed_topic")["error"]["code"] == "answer_too_large"
    assert captions(partner, "long")["transcription"]["words"] == WORDS


def test_what_is_no_request_is_set_aside_with_the_reason_and_can_be_sent_again(
    partner: Partner, platform: Platform, serve: Serve, consumer: Consumer
):
    partner.max_message_bytes = 200
    long = {"video_id": "long", "video_url": platform.source.url(), "more": "x" * 200}
    platform.says(b"poison")
    platform.says(json.dumps(long).encode())
    platform.asks("good")
    serve()
    assert platform.answer()["video_id"] == "good"
    assert platform.waiting() == 0
    letters = DeadLetter.objects.order_by("created_at").values_list("topic", "reason")
    assert list(letters) == [
        (partner.transcribe_topic, "The message is not JSON, or has a name twice."),
        (
            partner.transcribe_topic,
            f"The message has {len(json.dumps(long))} bytes, but at most 200 are read.",
        ),
    ]
    stored = [fields for _, fields in platform.store.xrange(partner.dead_letter_topic)]
    assert [fields[b"value"] for fields in stored] == [b"poison", json.dumps(long).encode()]
    partner.max_message_bytes = 1000
    assert consumer.broker().send_again(10) == 2
    consumer.round()
    serve()
    assert [key for key, _ in platform.hears()] == ["good", "long"]


def test_the_reason_is_kept_for_a_month(platform: Platform, consumer: Consumer):
    platform.says(b"poison")
    platform.says(b"fresh")
    consumer.round()
    first = DeadLetter.objects.order_by("created_at").values("pk")[:1]
    DeadLetter.objects.filter(pk__in=first).update(created_at=Now() - dead_letters.RETENTION)
    assert dead_letters.delete_old() == 1
    assert DeadLetter.objects.get().size_bytes == len(b"fresh")


def test_partners_have_nothing_in_common(
    partner: Partner, platform: Platform, make_user, make_partner, make_consumer, workers, user
):
    other = make_user(balance=10)
    neighbour = make_partner(other)
    platform_value = Platform(neighbour, platform.store, platform.source)
    platform.asks("same")
    platform_value.asks("same")
    consumers = [make_consumer(partner), make_consumer(neighbour)]
    for _ in range(6):
        hurry()
        for consumer in consumers:
            consumer.round()
        workers()
    assert len(platform.hears()) == len(platform_value.hears()) == 1
    assert {user.pk, other.pk} == set(Job.objects.values_list("user_id", flat=True))
    assert captions(partner, "same") == captions(neighbour, "same")
    assert (
        answers.get_captions_location(partner, "same")[1]
        != answers.get_captions_location(neighbour, "same")[1]
    )


def test_no_more_than_a_partner_may_have_open_are_read(
    partner: Partner, platform: Platform, serve: Serve, consumer: Consumer
):
    partner.max_open_requests = 2
    for number in range(3):
        platform.asks(f"v{number}")
    for _ in range(4):
        consumer.round()
    assert PartnerRequest.objects.count() == 2
    while PartnerRequest.objects.count() < 3:
        serve()
        consumer.round()
    serve()
    assert len(platform.hears()) == 3
