"""Every endpoint there is, asked with keys: what its view does not declare, no key may ask."""

import re
import uuid
from dataclasses import dataclass
from typing import Any

import pytest
from django.urls import URLResolver, get_resolver

from accounts.api_keys.models import ApiKey
from auteur.core.api.scopes import MONEY, Scope, get_scope
from tests.conftest import bearer, by_key
from tests.contract import described

SAMPLES = {"uuid": str(uuid.UUID(int=7)), "str": "x", "path": "x", "int": "7"}
REFUSED = ("scope_required", "key_not_allowed")


@dataclass(frozen=True)
class Endpoint:
    """A method of a view, at an address."""

    path: str
    method: str
    view: Any

    @property
    def scope(self) -> Scope | None:
        return get_scope(self.view, self.method)

    def asked_by(self, client: Any) -> tuple[int, Any]:
        """The status, and the code of a problem."""
        answer = client.generic(self.method, self.path, b"{}", "application/json")
        body = answer.json() if "json" in answer.get("Content-Type", "") else {}
        return answer.status_code, body.get("code") if isinstance(body, dict) else None


def patterns(resolver: Any, before: str = "") -> Any:
    for url_pattern in resolver.url_patterns:
        route = before + str(url_pattern.pattern)
        if isinstance(url_pattern, URLResolver):
            yield from patterns(url_pattern, route)
        else:
            yield route, url_pattern.callback


def endpoints(urlconf: str) -> list[Endpoint]:
    """Of all views that ask who is there."""
    result = []
    for route, callback in patterns(get_resolver(urlconf)):
        view = getattr(callback, "cls", None)
        if view is None or not view.authentication_classes:
            continue
        path = "/" + re.sub(r"<(\w+):\w+>", lambda match: SAMPLES[match.group(1)], route)
        methods = {method.upper() for method in view.http_method_names if hasattr(view, method)}
        result += [Endpoint(path, method, view) for method in sorted(methods - {"OPTIONS"})]
    return result


ALL = endpoints("auteur.urls")


@pytest.fixture(autouse=True)
def no_limit(settings):
    settings.RATE_LIMIT = "100000/minute"


@pytest.fixture
def asked_by_scopes(make_key):
    """A client whose key has these scopes, and no more."""
    key = make_key()
    client = by_key(key)

    def with_scopes(scopes):
        ApiKey.objects.filter(pk=key.row.pk).update(scopes=list(scopes))
        return client

    return with_scopes


def test_whoever_has_all_other_scopes_is_refused(asked_by_scopes):
    assert len(ALL) > 80
    for endpoint in ALL:
        status, code = endpoint.asked_by(asked_by_scopes(set(Scope) - {endpoint.scope}))
        expected = "key_not_allowed" if endpoint.scope is None else "scope_required"
        assert (status, code) == (403, expected), endpoint


def test_whoever_has_the_scope_is_not(asked_by_scopes):
    for endpoint in ALL:
        if endpoint.scope is not None:
            status, code = endpoint.asked_by(asked_by_scopes([endpoint.scope]))
            assert status not in (401, 405, 500), endpoint
            assert code not in REFUSED, endpoint


def test_guests_are_refused_what_moves_money_and_what_nobody_declared(user):
    guest = by_key(bearer(user.pk, user.email, is_anonymous=True))
    for endpoint in ALL:
        undeclared = endpoint.scope is None and endpoint.method != "GET"
        needed = getattr(endpoint.view, "needs_account", True)
        if needed and (undeclared or endpoint.scope in MONEY):
            assert endpoint.asked_by(guest) == (403, "sign_in_required"), endpoint


def test_views_declare_methods_that_they_have():
    for endpoint in ALL + endpoints("auteur.live.openings"):
        declared = set(getattr(endpoint.view, "scopes", {})) | set(
            getattr(endpoint.view, "costs", {})
        )
        assert all(hasattr(endpoint.view, method.lower()) for method in declared), endpoint


def test_what_is_about_keys_or_the_account_is_closed_to_keys():
    closed = {(endpoint.path, endpoint.method) for endpoint in ALL if endpoint.scope is None}
    key = f"/api-keys/{SAMPLES['uuid']}"
    assert closed >= {
        ("/users/me", "PATCH"),
        *(("/api-keys", method) for method in ("GET", "POST")),
        *((key, method) for method in ("GET", "PATCH", "DELETE")),
    }


def test_streams_ask_for_the_scope_too():
    openings = endpoints("auteur.live.openings")
    assert {endpoint.scope for endpoint in openings} == {Scope.READ}


def test_nothing_that_changes_something_asks_for_read_alone():
    """But for what stores nothing."""
    changing = {
        endpoint.path
        for endpoint in ALL
        if endpoint.method not in ("GET", "HEAD") and endpoint.scope == Scope.READ
    }
    assert {path for path in changing if not path.endswith("/estimate")} == {"/auth/verify"}


def test_a_method_that_there_is_not_stays_one(asked_by_scopes):
    assert asked_by_scopes([Scope.READ]).put("/projects", {}).status_code == 405


def test_the_schema_tells_scope_and_points():
    paths = described()["paths"]
    result = {
        path: (paths[path][method]["x-api-key-scope"], paths[path][method]["x-rate-limit-points"])
        for path, method in (
            ("/jobs/{job_id}", "get"),
            ("/jobs/batch", "post"),
            ("/projects/{project_id}/media/upload-url", "post"),
            ("/projects", "get"),
            ("/api-keys", "post"),
        )
    }
    assert list(result.values()) == [
        ("read", 0.1), ("jobs", 1.0), ("media", 2.0), ("read", 0.5), (None, 1.0),
    ]  # fmt: skip
