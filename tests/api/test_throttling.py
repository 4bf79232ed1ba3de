"""100 requests a minute per user, told in headers; with Redis away nobody is refused."""

import time

import pytest

from auteur.api import throttling


@pytest.fixture(autouse=True)
def limit_of_three(settings):
    settings.RATE_LIMIT = "3/minute"


def test_the_limit_and_one_past_it(api):
    answers = [api.get("/credits") for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert [answer["RateLimit-Remaining"] for answer in answers] == ["2", "1", "0", "0"]
    assert {answer["RateLimit-Limit"] for answer in answers} == {"3"}
    assert 1 <= int(answers[-1]["Retry-After"]) <= 60
    assert answers[-1].json()["code"] == "throttled"
    assert answers[-1]["Content-Type"] == "application/problem+json"


def test_each_user_has_a_limit_of_their_own(api, client_of, make_user):
    for _ in range(4):
        api.get("/credits")
    assert client_of(make_user()).get("/credits").status_code == 200


def test_redis_away_refuses_nobody_and_costs_little(api, settings):
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    throttling._limiter.cache_clear()
    try:
        started = time.monotonic()
        answers = [api.get("/credits") for _ in range(5)]
        assert {answer.status_code for answer in answers} == {200}
        assert "RateLimit-Limit" not in answers[0]
        assert time.monotonic() - started < 5
    finally:
        throttling._limiter.cache_clear()


def test_the_default_is_the_contract(settings):
    from auteur import settings as declared

    assert declared.env.str("RATE_LIMIT", default="100/minute") == "100/minute"
