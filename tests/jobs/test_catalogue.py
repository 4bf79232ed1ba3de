"""`GET /features`: what is offered, as the declarations and the settings say it."""

from typing import Any

import pytest
from drf_spectacular.generators import SchemaGenerator
from hypothesis import given
from hypothesis import strategies as st
from rest_framework.test import APIClient

from gpu_tasks.transcription import contract as transcription
from jobs.catalogue import described
from jobs.catalogue_views import FeatureSerializer
from jobs.features.registry import feature_of, features
from media.models import MediaFile
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
    for name, told in offered().items():
        feature = feature_of(name)
        assert api.post(f"{told['path']}/estimate", {}, format="json").status_code != 404
        assert told["title"] == feature.summary
        assert set(told["parameters"]) == set(feature.parameters().fields)
        assert told["description"]
        shown = FeatureSerializer(told).data
        assert {part: shown[part] for part in told} == told
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
    feature, price = feature_of(name), described(feature_of(name))["price"]
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
    told = offered()
    assert (told["transcription"]["engine"], told["transcription"]["is_draft"]) == (
        "production",
        False,
    )
    assert told["tts"]["is_draft"] is True
    media = told["transcription"]["parameters"]["media_id"]
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
    assert APIClient().get("/features").status_code == 401


def test_it_is_described():
    schema = SchemaGenerator().get_schema(request=None, public=True)
    answer = schema["paths"]["/features"]["get"]["responses"]["200"]["content"]
    assert answer["application/json"]["schema"]["$ref"].endswith("/Catalogue")
