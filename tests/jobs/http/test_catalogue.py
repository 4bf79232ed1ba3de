"""`GET /features`: what is offered, as the declarations and the settings say it."""

import uuid
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rest_framework.test import APIClient

from accounts.models import Plan, Subscription, SubscriptionStatus
from gpu_tasks.transcription import contract as transcription
from jobs.estimates.price_text import price_text
from jobs.features.registry import features, get_feature
from jobs.http.catalogue import describe_feature
from jobs.http.catalogue_views import FeatureSerializer
from media.models import MediaFile
from tests.contract import ContractClient
from tests.contract import described as api_schema
from tests.properties import examples

MEASURED = sorted(name for name, feature in features().items() if feature.measured)


@pytest.fixture
def offered(api) -> Any:
    def get():
        answer = api.get("/features").json()
        return {feature["type"]: feature for feature in answer["features"]}

    return get


def test_every_declared_feature_is_offered_by_itself(api, offered):
    assert set(offered()) == set(features())
    for name, output in offered().items():
        feature = get_feature(name)
        assert api.post(f"{output['path']}/estimate", {}, format="json").status_code != 404
        assert output["title"] == feature.summary
        assert set(output["parameters"]) == set(feature.parameters().fields)
        assert output["description"]
        body = FeatureSerializer(output).data
        assert {part: body[part] for part in output} == output
    stills = offered()["stills"]
    assert (stills["price"]["credits"], stills["price"]["unit"]) == (3, "count")
    assert stills["parameters"]["count"] == {
        "type": "integer",
        "required": False,
        "description": "",
        "default": 1,
        "min_value": 1,
        "max_value": 4,
    }
    assert offered()["video_generation"]["plan"] == "pro"


@pytest.mark.property
@examples(60, 2000)
@given(name=st.sampled_from(MEASURED), amount=st.integers(1, 20_000_000))
def test_the_price_that_is_told_is_the_one_that_is_charged(name: str, amount: int):
    feature, price = get_feature(name), describe_feature(get_feature(name))["price"]
    values: dict[str, Any] = {
        "ms": MediaFile(duration_ms=amount),
        "characters": "x" * (amount % 5001),
        "sec": amount % 100 + 1,
        "count": amount % 5 + 1,
    }
    given_parameters: dict[str, Any] = {price["of"]: values[price["unit"]]}
    given_parameters["timeline"] = {"duration_ms": amount}
    counted = {"ms": amount, "characters": amount % 5001}.get(price["unit"])
    counted = values[price["unit"]] if counted is None else counted
    started = max(1, -(-counted // price["per"]))

    charged = feature.price(given_parameters)

    assert charged == price["base"] + started * price["credits"] >= price["minimum"]


def test_a_job_of_the_least_costs_the_minimum(api, make_media, offered):
    price = offered()["transcription"]["price"]
    body = {"media_id": str(make_media(duration_ms=1).pk)}
    estimate = api.post("/jobs/transcription/estimate", body, format="json").json()
    assert (estimate["credits"], estimate["price_version"]) == (
        price["minimum"],
        price["price_version"],
    )


def test_a_draft_says_that_it_is_one_and_tells_its_own_limits(offered, settings):
    settings.INFERENCE_ENGINES = {"transcription": "production"}
    output = offered()
    assert (output["transcription"]["engine"], output["transcription"]["is_draft"]) == (
        "production",
        False,
    )
    assert output["tts"]["is_draft"] is True
    media = output["transcription"]["parameters"]["media_id"]
    assert media["longest_ms"] == transcription.MAX_DURATION_MS["production"]
    assert media["media_types"] == ["audio", "video"]
    settings.INFERENCE_ENGINES = {}
    media = offered()["transcription"]["parameters"]["media_id"]
    assert media["longest_ms"] == transcription.MAX_DURATION_MS["draft"]


def test_limits_are_those_of_the_settings(offered, settings):
    settings.MAX_IN_FLIGHT, settings.MAX_IN_FLIGHT_BY_PLAN = 3, {"pro": 20}
    settings.CPU_LIMIT, settings.MAX_UPLOAD_BYTES = 7, 1000
    limits = offered()["render"]["limits"]
    assert limits == {
        "run_seconds": 3600,
        "wait_seconds": 6 * 3600,
        "run_ms": 3600 * 1000,
        "wait_ms": 6 * 3600 * 1000,
        "in_flight": 7,
        "in_flight_per_user": 3,
        "in_flight_per_user_by_plan": {"pro": 20},
        "input_bytes": 1000,
        "output_bytes": 1000,
        "longest_ms": 4 * 3600 * 1000,
    }


def test_who_has_it_is_told_so(api, settings):
    first = api.get("/features")
    assert first["Cache-Control"] == "private, max-age=60"
    again = api.get("/features", headers={"If-None-Match": first["ETag"]})
    assert (again.status_code, again.content, again["ETag"]) == (304, b"", first["ETag"])
    settings.MAX_IN_FLIGHT = 4
    assert api.get("/features", headers={"If-None-Match": first["ETag"]}).status_code == 200


def test_prices_are_public(db, client_of, make_user):
    answer = ContractClient().get("/features")
    assert (answer.status_code, answer["Cache-Control"]) == (200, "public, max-age=60")
    assert "Authorization" in answer["Vary"]
    assert "RateLimit" in answer.headers
    theirs = client_of(make_user()).get("/features")
    assert (theirs["Cache-Control"], theirs["Vary"]) == ("private, max-age=60", answer["Vary"])


def test_visitors_of_prices_are_limited_by_address_and_fail_at_nothing(db, settings):
    settings.RATE_LIMIT, settings.UNAUTHENTICATED_RATE_LIMIT = "2/minute", "1/minute"
    visitor = {"REMOTE_ADDR": str(uuid.uuid4())}
    codes = [APIClient().get("/features", **visitor).status_code for _ in range(5)]
    assert codes == [200, 200, 200, 200, 429]
    assert APIClient().get("/users/me", **visitor).status_code == 401


def test_a_bad_token_is_refused_even_where_none_is_needed(db):
    visitor = ContractClient()
    visitor.credentials(HTTP_AUTHORIZATION="Bearer nonsense")
    assert visitor.get("/features").status_code == 401


def test_a_feature_that_the_plan_lacks_is_locked(offered, user):
    pro = offered()["video_generation"]
    assert (pro["available"], pro["locked_by_plan"]) == (False, True)
    free = offered()["tts"]
    assert (free["available"], free["locked_by_plan"]) == (True, False)
    Subscription.objects.create(user=user, plan=Plan.PRO, status=SubscriptionStatus.ACTIVE)
    pro = offered()["video_generation"]
    assert (pro["available"], pro["locked_by_plan"]) == (True, False)
    [anybodys] = [
        feature
        for feature in ContractClient().get("/features").json()["features"]
        if feature["type"] == "video_generation"
    ]
    assert (anybodys["available"], anybodys["locked_by_plan"]) == (True, False)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("compression", "1 credit per 5 minutes"),
        ("render", "1 credit per minute"),
        ("gaze_redirection", "10 credits per 30 seconds"),
        ("video_query", "2 credits plus 1 credit per minute"),
        ("tts", "2 credits per 500 characters"),
        ("image_generation", "4 credits per result"),
        ("video_generation", "10 credits per second"),
        ("audio_generation", "3 credits per 10 seconds"),
    ],
)
def test_a_price_is_told_in_words(offered, name, text):
    assert offered()[name]["price"]["text"] == text


@pytest.mark.parametrize(
    ("prices", "text"),
    [
        ({"compression.credits": 0}, "free"),
        ({"compression.credits": 0, "compression.base": 3}, "3 credits"),
        ({"compression.per_started_ms": 5400_000}, "1 credit per 90 minutes"),
        ({"compression.per_started_ms": 1}, "1 credit per millisecond"),
        ({"compression.per_started_ms": 3600_000}, "1 credit per hour"),
        ({"compression.credits": 1200}, "1,200 credits per 5 minutes"),
    ],
)
def test_prices_that_are_set_are_told_in_words(settings, prices, text):
    settings.FEATURE_PRICES = prices
    assert price_text(get_feature("compression")) == text


def test_it_is_described():
    schema = api_schema()
    answer = schema["paths"]["/features"]["get"]["responses"]["200"]["content"]
    assert answer["application/json"]["schema"]["$ref"].endswith("/Catalogue")
