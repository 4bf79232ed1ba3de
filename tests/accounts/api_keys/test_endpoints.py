"""`/api-keys`: made, listed, changed, revoked; the secret is told once and kept nowhere."""

import uuid
from datetime import timedelta

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.utils import timezone

from accounts.api_keys import keys
from accounts.api_keys.models import ApiKey
from accounts.api_keys.serializers import MAX_NETWORKS
from auteur.core.api.models import IdempotencyKey
from auteur.core.api.scopes import Scope
from tests.conftest import by_key

ALL = [scope.value for scope in Scope]


def post(api, key=None, **values):
    headers = {} if key is None else {"Idempotency-Key": key}
    body = {"name": "Script", "scopes": ["read"]} | values
    return api.post("/api-keys", body, format="json", headers=headers)


def test_a_key_is_told_once_and_works_at_once(api, user):
    response = post(api, scopes=["jobs", "read", "read"], credits_per_day=5)
    assert response.status_code == 201
    body = response.json()
    assert body["key"].startswith(f"{body['prefix']}_")
    assert len(body["key"]) == len(keys.BRAND) + 2 * keys.PREFIX_BYTES + 1 + 2 * keys.SECRET_BYTES
    assert (body["scopes"], body["allowed_addresses"]) == (["jobs", "read"], [])
    assert (body["credits_per_day"], body["credits_in_all"], body["credits_spent"]) == (5, None, 0)
    assert by_key(body["key"]).get("/users/me").json()["id"] == str(user.pk)
    seen = api.get(f"/api-keys/{body['id']}").json()
    listed = api.get("/api-keys").json()["api_keys"]
    assert listed == [seen]
    assert seen | {"key": body["key"], "last_used_at": None} == body


def test_the_secret_is_nowhere_in_the_database(api):
    body = post(api, key="once").json()
    secret = body["key"].removeprefix(body["prefix"])
    with connection.cursor() as cursor:
        cursor.execute("SELECT api_keys::text FROM api_keys")
        (rows,) = cursor.fetchall()
    assert secret not in str(rows)
    assert secret.encode().hex() not in str(rows)
    assert secret not in (IdempotencyKey.objects.get().body or "")


def test_asked_again_it_is_the_same_key_without_its_secret(api):
    result, again = post(api, key="once"), post(api, key="once")
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.json() == result.json() | {"key": None}
    assert ApiKey.objects.count() == 1


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"scopes": []}, "scopes"),
        ({"scopes": ["admin"]}, "scopes.0"),
        ({"scopes": [*ALL, "read"]}, "scopes"),
        ({"name": ""}, "name"),
        ({"name": "n" * 101}, "name"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "expires_at"),
        ({"allowed_addresses": ["203.0.113.7/24"]}, "allowed_addresses.0"),
        ({"allowed_addresses": ["somewhere"]}, "allowed_addresses.0"),
        ({"allowed_addresses": ["fe80::1%eth0"]}, "allowed_addresses.0"),
        ({"allowed_addresses": ["203.0.113.7"] * (MAX_NETWORKS + 1)}, "allowed_addresses"),
        ({"credits_per_day": -1}, "credits_per_day"),
        ({"credits_in_all": 10_000_001}, "credits_in_all"),
    ],
)
def test_what_no_key_can_be(api, values, field):
    answer = post(api, **values)
    assert answer.status_code == 400
    assert field in {error["field"] for error in answer.json()["errors"]}
    assert not ApiKey.objects.exists()


def test_what_a_key_can_just_be(api):
    values = {
        "scopes": ALL,
        "name": "n" * 100,
        "allowed_addresses": ["203.0.113.7", "2001:db8::/32", *["192.0.2.0/24"] * 18],
        "credits_per_day": 0,
        "credits_in_all": 10_000_000,
        "expires_at": (timezone.now() + timedelta(minutes=1)).isoformat(),
    }
    response = post(api, **values)
    assert response.status_code == 201
    assert response.json()["allowed_addresses"][:2] == ["203.0.113.7/32", "2001:db8::/32"]


def test_so_many_and_not_one_more(api, user, monkeypatch):
    monkeypatch.setattr(keys, "MAX_KEYS", 2)
    first = post(api).json()
    assert post(api).status_code == 201
    assert api.delete(f"/api-keys/{first['id']}").status_code == 204
    refused = post(api)
    assert (refused.status_code, refused.json()["code"]) == (409, "too_many_api_keys")
    ApiKey.objects.filter(pk=first["id"]).update(revoked_at=Now() - keys.REVOKED_COUNT_PERIOD)
    assert post(api).status_code == 201


def test_what_is_changed_holds_for_the_next_request(api, make_key):
    key = make_key(Scope.READ)
    program, path = by_key(key), f"/api-keys/{key.row.pk}"
    assert program.get("/projects").status_code == 200
    changed = api.patch(path, {"scopes": ["jobs"], "credits_in_all": 7}, format="json")
    assert (changed.status_code, changed.json()["credits_in_all"]) == (200, 7)
    assert changed.json()["name"] == "Script"
    refused = program.get("/projects")
    assert (refused.status_code, refused.json()["scope"]) == (403, "read")
    assert api.patch(path, {"credits_in_all": None}, format="json").json()["credits_in_all"] is None


def test_revoked_is_for_good(api, make_key):
    key = make_key()
    path = f"/api-keys/{key.row.pk}"
    assert [api.delete(path).status_code for _ in range(2)] == [204, 204]
    assert by_key(key).get("/users/me").status_code == 401
    changed = api.patch(path, {"name": "Back"}, format="json")
    assert (changed.status_code, changed.json()["code"]) == (409, "api_key_revoked")
    assert api.get(path).json()["revoked_at"] is not None


def test_keys_of_others_do_not_exist(client_of, make_user, make_key):
    key, other = make_key(), client_of(make_user())
    for path in (f"/api-keys/{key.row.pk}", f"/api-keys/{uuid.uuid4()}"):
        assert other.get(path).status_code == 404
        assert other.patch(path, {"name": "Mine"}, format="json").status_code == 404
        assert other.delete(path).status_code == 404
    assert other.get("/api-keys").json()["api_keys"] == []
    assert by_key(key).get("/users/me").status_code == 200


def test_keys_are_found_by_how_they_begin(api, make_key):
    first, second = make_key(), make_key()
    api_keys = api.get("/api-keys", {"prefix": first.row.prefix}).json()["api_keys"]
    assert [item["id"] for item in api_keys] == [str(first.row.pk)]
    both = api.get("/api-keys", {"prefix": "auteur_"}).json()["api_keys"]
    assert [item["id"] for item in both] == [str(second.row.pk), str(first.row.pk)]
    assert api.get("/api-keys", {"prefix": first.key}).status_code == 400


def test_no_key_makes_or_sees_keys_nor_changes_the_account(make_key):
    key = make_key()
    program, path = by_key(key), f"/api-keys/{key.row.pk}"
    asked = [
        program.get("/api-keys"),
        post(program),
        program.get(path),
        program.patch(path, {"credits_in_all": None}, format="json"),
        program.delete(path),
        program.patch("/users/me", {"name": "Mallory"}, format="json"),
    ]
    assert {(item.status_code, item.json()["code"]) for item in asked} == {(403, "key_not_allowed")}
    assert ApiKey.objects.get().revoked_at is None
