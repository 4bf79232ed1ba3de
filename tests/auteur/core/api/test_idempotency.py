"""`Idempotency-Key`: asked twice, done once, answered alike."""

import threading
import uuid
from datetime import timedelta

import psycopg
import pytest
import requests
from django.conf import settings
from django.db import IntegrityError, connection, connections, transaction
from django.db.models.functions import Now
from psycopg import sql
from rest_framework.test import force_authenticate
from rest_framework.views import APIView

from auteur.core.api import idempotency
from auteur.core.api.idempotency import HEADER, LIFETIME, MAX_LENGTH
from auteur.core.api.models import IdempotencyKey
from credits import ledger
from credits.models import Credits, CreditTransaction
from jobs.features.registry import features
from jobs.models import Event, Job
from jobs.orchestrator import loop
from media.models import MediaFile, VoiceClone
from projects.models import Project
from tests.conftest import bearer
from tests.contract import described
from tests.credits.books import stop_comparing_books

NOOP = "/jobs/noop"
MICROSECOND = timedelta(microseconds=1)


def post(api, path, body, key, **headers):
    return api.post(path, body, format="json", headers={"Idempotency-Key": key, **headers})


def age_of(key, age):
    """Make the key ``age`` old, by the clock of the test's transaction."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE idempotency_keys SET created_at = now() - %s WHERE key = %s", [age, key]
        )


@pytest.fixture
def project(user):
    return Project.objects.create(user=user, name="Film")


@pytest.fixture(params=["job", "batch", "project", "upload", "import", "voice"])
def request_of(request, project):
    """A path and a body for each way to create, and the model whose rows it makes."""
    upload = {"filename": "a.mp4", "content_type": "video/mp4"}
    voice = {"name": "Mine", "content_type": "audio/wav", "consent": True}
    return {
        "job": (NOOP, {"price": 3}, Job),
        "batch": ("/jobs/batch", {"jobs": [{"type": "noop", "price": 3}]}, Job),
        "project": ("/projects", {"name": "Another"}, Project),
        "upload": (f"/projects/{project.pk}/media/upload-url", upload, MediaFile),
        "import": (
            f"/projects/{project.pk}/media/import",
            {"url": "https://media.example/a.mp4"},
            MediaFile,
        ),
        "voice": ("/voices", voice, VoiceClone),
    }[request.param]


class TestRepeated:
    def test_it_is_answered_alike_and_done_once(self, api, user, request_of):
        path, body, model = request_of
        before = model.objects.count()
        first, again = (post(api, path, body, "once") for _ in range(2))
        assert first.status_code in {201, 202}
        assert (again.status_code, again.content) == (first.status_code, first.content)
        assert again["Content-Type"] == first["Content-Type"] == "application/json"
        assert again.get("Location") == first.get("Location")
        assert "Idempotency-Replayed" not in first
        assert again["Idempotency-Replayed"] == "true"
        assert model.objects.count() == before + 1
        charges = [3] if model is Job else []
        usage = CreditTransaction.objects.filter(type="usage")
        assert [-row.amount for row in usage] == charges

    def test_it_is_answered_as_without_a_key(self, api, request_of):
        path, body, _ = request_of
        plain, keyed = api.post(path, body, format="json"), post(api, path, body, "k")
        assert keyed.status_code == plain.status_code
        assert keyed["Content-Type"] == plain["Content-Type"]
        assert keyed.json().keys() == plain.json().keys()
        assert keyed.has_header("Location") == plain.has_header("Location")

    def test_the_order_of_names_in_the_body_does_not_matter(self, api):
        one = b'{"price": 2, "seconds": 1.5}'
        other = b'{ "seconds":1.5,"price":2 }'
        headers = {"Idempotency-Key": "k"}
        answers = [
            api.post(NOOP, body, content_type="application/json", headers=headers)
            for body in (one, other)
        ]
        assert answers[0].content == answers[1].content
        assert Job.objects.count() == 1

    def test_the_bytes_do_not_depend_on_the_accept_header(self, api):
        first = post(api, NOOP, {}, "k", Accept="application/json; indent=4")
        assert post(api, NOOP, {}, "k").content == first.content

    def test_with_another_body_it_is_a_conflict(self, api, user):
        post(api, NOOP, {"price": 2}, "k")
        answer = post(api, NOOP, {"price": 3}, "k")
        assert (answer.status_code, answer.json()["code"]) == (409, "idempotency_conflict")
        assert ledger.get_balance(user_id=user.pk) == 98

    def test_with_another_body_that_is_wrong_it_is_a_conflict_too(self, api):
        post(api, NOOP, {}, "k")
        assert post(api, NOOP, {"price": -1}, "k").json()["code"] == "idempotency_conflict"

    def test_at_another_address_it_is_a_conflict(self, api):
        post(api, NOOP, {}, "k")
        answer = post(api, "/projects", {"name": "Film"}, "k")
        assert (answer.status_code, answer.json()["code"]) == (409, "idempotency_conflict")
        assert not Project.objects.exists()

    def test_with_another_query_it_is_another_request(self, rf, user):
        def hash_of(query):
            path = f"/projects/{user.pk}/edl/import?format={query}"
            request = rf.post(path, "{}", content_type="application/json", headers={HEADER: "k"})
            force_authenticate(request, user=user)
            return idempotency._parse_key(APIView().initialize_request(request)).request_hash

        assert hash_of("otio") == hash_of("otio") != hash_of("fcpxml")

    def test_the_answer_outlives_what_it_was_about(self, api, make_media):
        media = make_media()
        body = {"media_id": str(media.pk)}
        first = post(api, "/jobs/transcription", body, "k")
        media.delete()
        again = post(api, "/jobs/transcription", body, "k")
        assert (again.status_code, again.content) == (202, first.content)

    def test_keys_are_each_users_own(self, api, client_of, make_user):
        other = client_of(make_user(balance=5))
        answers = [post(who, NOOP, {}, "k").json()["job_id"] for who in (api, other)]
        assert len(set(answers)) == Job.objects.count() == 2

    def test_without_a_key_nothing_is_kept(self, api, request_of):
        path, body, model = request_of
        before = model.objects.count()
        for _ in range(2):
            assert api.post(path, body, format="json").status_code in {201, 202}
        assert model.objects.count() == before + 2
        assert not IdempotencyKey.objects.exists()


class TestFailed:
    def test_a_402_does_not_burn_the_key(self, api, user):
        answers = [post(api, NOOP, {"price": 101}, "k")]
        assert not IdempotencyKey.objects.exists()
        assert not Event.objects.exists()
        with transaction.atomic():
            ledger.grant(user_id=user.pk, amount=1)
        answers += [post(api, NOOP, {"price": 101}, "k") for _ in range(2)]
        assert [answer.status_code for answer in answers] == [402, 202, 202]
        assert answers[0].json()["required"] == 101
        assert Job.objects.count() == 1

    def test_nor_does_a_body_that_was_refused(self, api):
        assert post(api, "/projects", {"name": ""}, "k").status_code == 400
        assert post(api, "/projects", {"name": "Film"}, "k").status_code == 201

    def test_nor_does_a_domain_function_that_raised(self, api, project):
        path = f"/projects/{project.pk}/media/upload-url"
        wrong = {"filename": "a.exe", "content_type": "application/x-dosexec"}
        assert post(api, path, wrong, "k").status_code == 415
        assert not IdempotencyKey.objects.exists()

    def test_a_key_is_never_kept_without_its_jobs(self, api, user):
        stop_comparing_books()
        Credits.objects.filter(user=user).delete()
        with pytest.raises(ledger.NoAccountError):
            post(api, NOOP, {}, "k")
        assert not IdempotencyKey.objects.exists()
        assert not Job.objects.exists()


class TestFormat:
    @pytest.mark.parametrize("key", ["a", "!", "~", "k" * MAX_LENGTH, str(uuid.UUID(int=7)), '"q"'])
    def test_what_is_a_key(self, api, key):
        first, again = (post(api, NOOP, {}, key) for _ in range(2))
        assert (first.status_code, again.content) == (202, first.content)

    @pytest.mark.parametrize(
        "key", ["", " ", "a b", "k" * (MAX_LENGTH + 1), "a\x00", "a\x1f", "\x7f", "tab\t", "é", "€"]
    )
    def test_what_is_none(self, api, key, request_of):
        path, body, model = request_of
        before = model.objects.count()
        answer = post(api, path, body, key)
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_idempotency_key")
        assert model.objects.count() == before


class TestLifetime:
    def test_the_answer_is_repeated_for_a_day(self, api, request_of):
        path, body, _ = request_of
        first = post(api, path, body, "k")
        age_of("k", LIFETIME - MICROSECOND)
        assert post(api, path, body, "k").content == first.content

    def test_after_a_day_the_key_is_new(self, api, request_of):
        path, body, _ = request_of
        first = post(api, path, body, "k")
        age_of("k", LIFETIME)
        second, third = (post(api, path, body, "k") for _ in range(2))
        assert "Idempotency-Replayed" not in second
        assert second.content != first.content
        assert third.content == second.content
        assert IdempotencyKey.objects.count() == 1

    def test_after_a_day_it_takes_another_body(self, api, user):
        post(api, NOOP, {"price": 1}, "k")
        age_of("k", LIFETIME)
        assert post(api, NOOP, {"price": 2}, "k").status_code == 202
        assert ledger.get_balance(user_id=user.pk) == 97

    def test_after_a_day_the_old_answer_excuses_nothing(self, api):
        post(api, NOOP, {"price": 60}, "k")
        age_of("k", LIFETIME + MICROSECOND)
        assert post(api, NOOP, {"price": 60}, "k").status_code == 402

    def test_the_orchestrator_forgets_old_keys_and_no_others(self, api):
        for key, age in (
            ("older", LIFETIME + MICROSECOND),
            ("old", LIFETIME),
            ("young", LIFETIME - MICROSECOND),
        ):
            post(api, NOOP, {}, key)
            age_of(key, age)
        loop.sweep()
        assert [row.key for row in IdempotencyKey.objects.all()] == ["young"]
        assert Job.objects.count() == 3

    def test_so_many_at_once(self, user, monkeypatch):
        monkeypatch.setattr(idempotency, "MAX_DELETED_ROWS", 2)
        monkeypatch.setattr(idempotency, "MAX_DELETION_SECONDS", 0.0)
        expired_keys(user, 3)
        assert [idempotency.delete_expired_keys() for _ in range(3)] == [2, 1, 0]

    def test_batches_follow_until_nothing_is_left(self, user, monkeypatch):
        monkeypatch.setattr(idempotency, "MAX_DELETED_ROWS", 2)
        monkeypatch.setattr(idempotency, "MAX_DELETION_SECONDS", 3600.0)
        expired_keys(user, 9)
        assert idempotency.delete_expired_keys() == 9
        assert not IdempotencyKey.objects.exists()


def expired_keys(user, count):
    IdempotencyKey.objects.bulk_create(
        IdempotencyKey(user=user, key=str(n), request_hash="", created_at=Now() - 2 * LIFETIME)
        for n in range(count)
    )


def test_the_schema_names_the_header_where_it_is_honoured():
    paths = described()["paths"]
    honoured = {
        path
        for path, operations in paths.items()
        if "Idempotency-Key"
        in {p["name"] for p in operations.get("post", {}).get("parameters", [])}
    }
    assert honoured == {
        *(f"/jobs/{feature.slug}" for feature in features().values()),
        "/jobs/batch",
        "/jobs/{job_id}/retry",
        "/api-keys",
        "/billing/checkout",
        "/billing/portal",
        "/webhooks",
        *(
            f"/webhooks/{{endpoint_id}}/{verb}"
            for verb in ("rotate", "ping", "challenge", "replay")
        ),
        "/webhooks/{endpoint_id}/deliveries/{delivery_id}/redeliver",
        "/projects",
        "/projects/{project_id}/edl/import",
        "/projects/{project_id}/copies",
        "/projects/{project_id}/edl/undo",
        "/projects/{project_id}/edl/redo",
        "/projects/{project_id}/media/upload-url",
        "/projects/{project_id}/media/import",
        "/voices",
        "/consents",
        "/users/me/export",
    }
    answers = [paths[path]["post"]["responses"] for path in honoured]
    result = [answer[min(answer)]["headers"] for answer in answers]
    assert all("Idempotency-Replayed" in headers for headers in result)


def test_one_key_of_a_user_is_one_row(user):
    IdempotencyKey.objects.create(user=user, key="k", request_hash="")
    with pytest.raises(IntegrityError, match="idempotency_keys_of_user"), transaction.atomic():
        IdempotencyKey.objects.create(user=user, key="k", request_hash="")


def at_once(*calls):
    """What the calls return, each made in a thread of its own at the same moment."""
    results: list = [None] * len(calls)
    barrier = threading.Barrier(len(calls))

    def run(place, call):
        barrier.wait()
        try:
            results[place] = call()
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=item) for item in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


@pytest.fixture
def over_http(live_server, user):
    """A POST through a socket, as the user."""
    authorization = f"Bearer {bearer(user.pk, user.email)}"

    def send(path, body, key, authorization=authorization):
        headers = {"Authorization": authorization, "Idempotency-Key": key}
        return requests.post(f"{live_server.url}{path}", json=body, headers=headers, timeout=30)

    return send


@pytest.mark.django_db(transaction=True)
class TestTwins:
    def test_of_twins_one_does_the_work(self, over_http, request_of):
        path, body, model = request_of
        before = model.objects.count()
        for key in ("first", "second"):
            answers = at_once(*[lambda key=key: over_http(path, body, key)] * 8)
            assert len({answer.content for answer in answers}) == 1
            assert {answer.status_code for answer in answers} <= {201, 202}
            replayed = [answer.headers.get("Idempotency-Replayed") for answer in answers]
            assert replayed.count(None) == 1
        assert model.objects.count() == before + 2

    def test_twins_of_an_old_key(self, over_http):
        over_http(NOOP, {}, "k")
        age_of("k", LIFETIME)
        answers = at_once(*[lambda: over_http(NOOP, {}, "k")] * 8)
        assert len({answer.content for answer in answers}) == 1
        assert Job.objects.count() == 2

    def test_twins_that_cannot_be_paid(self, over_http):
        answers = at_once(*[lambda: over_http(NOOP, {"price": 101}, "k")] * 6)
        assert {answer.status_code for answer in answers} == {402}
        assert not IdempotencyKey.objects.exists()

    def test_twins_with_different_bodies(self, over_http):
        answers = at_once(
            *[lambda price=price: over_http(NOOP, {"price": price}, "k") for price in (1, 2, 3)]
        )
        assert sorted(answer.status_code for answer in answers) == [202, 409, 409]
        assert Job.objects.count() == 1

    def test_many_keys_of_one_account_at_once(self, over_http, user):
        """Keys, accounts and media are locked in one order: nobody waits in a circle."""
        answers = []
        for n in range(4):
            keys = [f"key-{n}-{item % 4}" for item in range(8)]
            answers += at_once(*[lambda key=key: over_http(NOOP, {}, key) for key in keys])
        assert {answer.status_code for answer in answers} == {202}
        assert len({answer.json()["job_id"] for answer in answers}) == 16
        rows = CreditTransaction.objects.filter(user=user).order_by("seq")
        assert [row.seq for row in rows] == list(range(1, 18))
        assert [row.balance_after for row in rows] == [100, *range(99, 83, -1)]

    def test_media_in_any_order(self, over_http, user, make_media):
        media = [str(make_media().pk) for _ in range(6)]

        def batch(order, key):
            jobs = [{"type": "transcription", "media_id": item} for item in order]
            return lambda: over_http("/jobs/batch", {"jobs": jobs}, key)

        for n in range(3):
            calls = [
                *[batch(media, f"up-{n}-{twin % 2}") for twin in range(4)],
                *[batch(media[::-1], f"down-{n}-{twin % 2}") for twin in range(4)],
            ]
            answers = at_once(*calls)
            assert {answer.status_code for answer in answers} == {202}
        assert Job.objects.count() == 3 * 4 * 6
        assert ledger.get_balance(user_id=user.pk) == 100 - 72


@pytest.fixture
def holder(transactional_db, user):
    """Another process that has taken the key ``k``, in a transaction that is still open."""
    database = settings.DATABASES["default"]
    with psycopg.connect(
        host=database["HOST"],
        port=database["PORT"],
        user=database["USER"],
        password=database["PASSWORD"],
        dbname=connection.settings_dict["NAME"],
    ) as other:
        other.execute(
            sql.SQL(
                "INSERT INTO idempotency_keys (user_id, key, request_hash, headers, created_at)"
                " VALUES (%s, 'k', '', '{}', now())"
            ),
            [user.pk],
        )
        yield other
        other.rollback()


class TestWaiting:
    @pytest.mark.parametrize(("end", "status"), [("rollback", 202), ("commit", 409)])
    def test_the_second_waits_for_the_end_of_the_first(self, holder, over_http, end, status):
        answers = []
        thread = threading.Thread(target=lambda: answers.append(over_http(NOOP, {}, "k")))
        thread.start()
        thread.join(0.5)
        assert thread.is_alive()
        getattr(holder, end)()
        thread.join(60)
        assert [answer.status_code for answer in answers] == [status]
