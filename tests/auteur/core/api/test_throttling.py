"""100 points a minute per user, told in headers; with Redis away as well."""

import re
import time
from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import User
from auteur.core.api import windows
from auteur.core.api.scopes import Scope
from auteur.core.api.throttling import POINT, Cost
from tests.conftest import bearer, by_key


@pytest.fixture(autouse=True)
def limit_of_three(settings):
    settings.RATE_LIMIT = "3/minute"


def left(answer):
    """Points, as they are told."""
    return int(answer["RateLimit"].partition(";r=")[2].partition(";")[0])


def test_the_limit_and_one_past_it(api):
    answers = [api.post("/auth/verify") for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert [left(answer) for answer in answers] == [2, 1, 0, 0]
    assert {answer["RateLimit-Policy"] for answer in answers} == {'"points";q=3;w=60'}
    result = re.fullmatch(r'"points";r=0;t=(\d+)', answers[-1]["RateLimit"])
    assert 1 <= int(result[1]) <= 60
    assert 1 <= int(answers[-1]["Retry-After"]) <= 60
    assert answers[-1].json()["code"] == "throttled"
    assert answers[-1]["Content-Type"] == "application/problem+json"


def test_each_user_has_a_limit_of_their_own(api, client_of, make_user):
    for _ in range(4):
        api.post("/auth/verify")
    assert client_of(make_user()).post("/auth/verify").status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "body", "cost"),
    [
        ("get", "/jobs/{job}", None, Cost.STATUS),
        ("get", "/events", None, Cost.STATUS),
        ("get", "/events/head", None, Cost.STATUS),
        ("get", "/jobs/{job}/events", None, Cost.STATUS),
        ("head", "/jobs/{job}", None, Cost.STATUS),
        ("get", "/projects", None, Cost.READ),
        ("get", "/credits", None, Cost.READ),
        ("post", "/projects", {"name": "Film"}, Cost.REQUEST),
        ("post", "/jobs/noop", {"price": 1}, Cost.REQUEST),
        ("post", "/jobs/batch", {"jobs": [{"type": "noop", "price": 0}] * 100}, Cost.REQUEST),
        ("post", "/voices", {}, Cost.UPLOAD),
    ],
)
def test_what_requests_cost(api, make_job, method, path, body, cost):
    """Three points: so many times it is answered, and not once more."""
    path = path.format(job=make_job().pk)
    times = 3 * POINT // cost
    *answered, last = [
        getattr(api, method)(path, body, format="json").status_code for _ in range(times + 1)
    ]
    assert 429 not in answered
    assert last == 429


def test_points_are_told_whole(api, make_job):
    job = make_job()
    result = [left(api.get(f"/jobs/{job.pk}")) for _ in range(11)]
    assert result == [2] * 10 + [1]


def test_what_costs_more_than_there_is_costs_all_of_it(api, settings):
    settings.RATE_LIMIT = "1/minute"
    assert api.post("/voices", {}, format="json").status_code == 400
    assert api.post("/voices", {}, format="json").status_code == 429


def test_all_points_may_be_spent_at_once(api, settings):
    settings.RATE_LIMIT = "20/minute"
    assert {api.post("/auth/verify").status_code for _ in range(20)} == {200}


def test_with_redis_away_the_limit_holds_and_costs_little(api, settings):
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    windows.script.cache_clear()
    try:
        started = time.monotonic()
        answers = [api.post("/auth/verify") for _ in range(5)]
        assert [answer.status_code for answer in answers] == [200] * 3 + [429] * 2
        assert left(answers[0]) == 2
        assert time.monotonic() - started < 20
    finally:
        windows.script.cache_clear()


def test_the_default_is_the_contract(settings):
    from auteur import settings as declared

    assert declared.env.str("RATE_LIMIT", default="100/minute") == "100/minute"


@pytest.mark.parametrize(
    ("code", "path"),
    [
        ("scope_required", "/projects"),
        ("key_not_allowed", "/api-keys"),
        ("sign_in_required", "/jobs/noop"),
        ("account_closing", "/projects"),
    ],
)
def test_refusals_count_once_each(user, make_key, code, path):
    if code == "account_closing":
        User.objects.filter(pk=user.pk).update(closing_at=timezone.now() + timedelta(days=9))
    if code in ("scope_required", "key_not_allowed"):
        client = by_key(make_key(Scope.READ))
    else:
        client = by_key(bearer(user.pk, user.email, is_anonymous=code == "sign_in_required"))
    answers = [client.post(path, {}, format="json") for _ in range(4)]
    assert [answer.json()["code"] for answer in answers] == [code] * 3 + ["throttled"]
