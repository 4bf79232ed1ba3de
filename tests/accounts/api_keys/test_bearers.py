"""A key as a bearer: good from where and while it may be; else it is no better than any other."""

import threading
import uuid
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db import connection, connections
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from accounts import authentication
from accounts.api_keys import keys
from accounts.api_keys.models import ApiKey
from accounts.models import User
from auteur.core.api.scopes import Scope
from projects.models import Project
from tests.conftest import by_key


def refused(answer):
    return (answer.status_code, answer.json()["code"], answer["WWW-Authenticate"])


INVALID = (401, "invalid_token", 'Bearer error="invalid_token"')


def test_whatever_is_wrong_with_a_key_the_answer_is_the_same(make_key):
    good, revoked, expired, elsewhere = (make_key() for _ in range(4))
    ApiKey.objects.filter(pk=revoked.row.pk).update(revoked_at=Now())
    ApiKey.objects.filter(pk=expired.row.pk).update(expires_at=Now())
    ApiKey.objects.filter(pk=elsewhere.row.pk).update(allowed_addresses=["203.0.113.0/24"])
    bad = [
        revoked.key,
        expired.key,
        elsewhere.key,
        good.key[:-1],
        good.key + "0",
        good.key.upper(),
        good.row.prefix,
        "auteur_",
        "auteur_\xff",
    ]
    answers = [by_key(item).get("/users/me") for item in bad]
    assert {refused(answer) for answer in answers} == {INVALID}
    assert len({answer.content for answer in answers}) == 1
    assert by_key(good).get("/users/me").status_code == 200


def test_a_key_of_somebody_who_was_deactivated(make_key, user):
    key = make_key()
    User.objects.filter(pk=user.pk).update(is_active=False)
    assert by_key(key).get("/users/me").json()["code"] == "account_inactive"


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("203.0.113.0", 200),
        ("203.0.113.255", 200),
        ("203.0.114.0", 401),
        ("::ffff:203.0.113.7", 200),
        ("2001:db8::7", 200),
        ("2001:db9::7", 401),
        ("", 401),
        ("not an address", 401),
    ],
)
def test_whence_a_key_is_good(make_key, address, status):
    key = make_key(allowed_addresses=["203.0.113.0/24", "2001:db8::/32"])
    assert by_key(key).get("/users/me", REMOTE_ADDR=address).status_code == status


def test_what_a_client_says_of_its_address_counts_behind_proxies_alone(make_key, settings):
    key = make_key(allowed_addresses=["203.0.113.7"])
    output = {"X-Forwarded-For": "203.0.113.7, 198.51.100.1"}
    assert by_key(key).get("/users/me", headers=output).status_code == 401


def test_bad_keys_are_counted_like_bad_tokens(make_key, settings, monkeypatch):
    settings.UNAUTHENTICATED_RATE_LIMIT = "3/minute"
    monkeypatch.setattr(authentication, "_verified_bearers", authentication._VerifiedBearers(9))
    known, new = make_key(), make_key()
    address = uuid.uuid4().hex
    assert by_key(known).get("/users/me", REMOTE_ADDR=address).status_code == 200
    for _ in range(3):
        answer = by_key("auteur_nonsense").get("/users/me", REMOTE_ADDR=address)
        assert answer.status_code == 401
    assert by_key("auteur_nonsense").get("/users/me", REMOTE_ADDR=address).status_code == 429
    assert by_key(new).get("/users/me", REMOTE_ADDR=address).status_code == 429
    assert by_key(known).get("/users/me", REMOTE_ADDR=address).status_code == 200


def test_its_use_is_noted_once_a_minute(make_key):
    program, rows = by_key(make_key()), ApiKey.objects.all()
    assert rows.get().last_used_at is None
    program.get("/users/me")
    first = rows.get().last_used_at
    assert first is not None
    with CaptureQueriesContext(connection) as queries:
        program.get("/users/me")
    assert not [query for query in queries if query["sql"].startswith("UPDATE")]
    almost = keys.USE_UPDATE_INTERVAL - timedelta(seconds=10)
    rows.update(last_used_at=Now() - almost)
    kept = rows.get().last_used_at
    program.get("/users/me")
    assert rows.get().last_used_at == kept
    rows.update(last_used_at=Now() - keys.USE_UPDATE_INTERVAL)
    program.get("/users/me")
    assert rows.get().last_used_at > kept


@pytest.mark.django_db(transaction=True)
def test_of_many_at_once_one_notes_it(make_key):
    key = make_key()
    digest = keys.hash_key(key.key.encode())
    gate, seen = threading.Barrier(8), []

    def use():
        connection.ensure_connection()
        gate.wait()
        keys.verify_key(digest, address="203.0.113.7")
        seen.append(ApiKey.objects.get().last_used_at)
        connections.close_all()

    threads = [threading.Thread(target=use) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 8
    assert {ApiKey.objects.get().last_used_at} == set(seen)


def test_a_key_s_requests_are_its_user_s_and_share_their_limit(api, make_key, settings):
    settings.RATE_LIMIT = "2/minute"
    assert api.post("/auth/verify").status_code == 200
    assert by_key(make_key()).post("/auth/verify").status_code == 200
    assert by_key(make_key()).post("/auth/verify").status_code == 429


def test_revoked_in_mid_upload_nothing_is_confirmed_or_resumed(api, user, make_key):
    project = Project.objects.create(user=user, name="Film")
    key = make_key(Scope.MEDIA)
    program, uploads = by_key(key), f"/projects/{project.pk}/media"
    wanted = {"filename": "a.wav", "content_type": "audio/wav", "size_bytes": 3}
    upload = program.post(f"{uploads}/upload-url", wanted, format="json").json()
    keys.revoke_key(user_id=user.pk, key_id=key.row.pk)
    url = upload["upload_url"].partition("//")[2].partition("/")[2]
    put = APIClient().generic("PUT", f"/{url}", b"abc", "audio/wav")
    assert put.status_code == 200  # until the URL's 15 minutes are over
    for answer in (
        program.post(f"{uploads}/{upload['media_id']}/confirm"),
        program.get(f"{uploads}/{upload['media_id']}/upload"),
    ):
        assert refused(answer) == INVALID
    assert api.get(f"/media/{upload['media_id']}").json()["status"] == "uploading"
    assert api.delete(f"{uploads}/{upload['media_id']}/upload").status_code == 204


def test_logs_hold_no_key(make_key, caplog):
    good, bad = make_key(), make_key().key[:-1]
    with caplog.at_level("DEBUG"):
        by_key(good).get("/users/me")
        by_key(bad).get("/users/me")
    call_command("check")
    for key in (good.key, bad):
        assert key.removeprefix(keys.BRAND)[9:] not in caplog.text
