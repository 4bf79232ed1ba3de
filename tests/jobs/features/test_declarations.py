"""What every declaration must have, whichever features there are."""

import inspect
import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from rest_framework.fields import empty

import auteur.devstack
from gpu_tasks.runtime.engine import contracts
from jobs.features.base import Feature
from jobs.features.parameters import MediaField, ProjectField
from jobs.features.registry import features
from media.models import MediaType
from media.provenance.source_types import GENERATED, TRAINED, derive_source_type
from tests.contract import described

SAMPLES = Path(auteur.devstack.__file__).parent / "samples"
ENGINES_PAGE = Path(auteur.devstack.__file__).parents[2] / "docs" / "engines.md"
MAX_LINES = 120
REQUIRED = {
    "transcription",
    "tts",
    "lip_sync",
    "video_generation",
    "performance_cloning",
    "gaze_redirection",
    "audio_generation",
    "video_query",
    "image_generation",
    "compression",
    "render",
}
TEST_PLUGINS = {"noop", "noop_gpu", "stills"}
OURS = [feature for name, feature in features().items() if name not in TEST_PLUGINS]


@pytest.fixture(scope="module")
def schema() -> Any:
    return described()


every = pytest.mark.parametrize("feature", OURS, ids=lambda feature: feature.name)


def test_no_required_feature_is_missing():
    assert {feature.name for feature in OURS} >= REQUIRED


@every
def test_its_function_is_its_own(feature: Feature):
    assert contracts()[feature.name] is feature.contract


@every
@pytest.mark.parametrize("engine", ["draft", "production"])
def test_it_has_both_engines(feature: Feature, engine: str):
    assert find_spec(f"gpu_tasks.{feature.name}.{engine}")


@pytest.mark.parametrize("feature", features().values(), ids=lambda feature: feature.name)
@pytest.mark.parametrize("sources", [[], [None], [None, None]], ids=len)
def test_what_its_models_make_is_signed_as_synthetic(feature: Feature, sources: list[None]):
    if feature.making is None:
        pytest.skip("makes no media")
    source_type = derive_source_type(feature.making, is_draft=False, sources=sources)
    assert (source_type in TRAINED) == bool(feature.contract.models)


def declare(**members: Any) -> type[Feature]:
    return type("_Declared", (Feature,), members)


def test_one_without_making_is_refused():
    with pytest.raises(TypeError, match="does not declare how its media are made"):
        declare()


@pytest.mark.parametrize(
    "members",
    [{"making": GENERATED}, {"making": None, "outputs": lambda self, parameters: []}],
    ids=["making without outputs", "outputs without making"],
)
def test_one_whose_making_and_outputs_disagree_is_refused(members: dict[str, Any]):
    with pytest.raises(TypeError, match="must have both making and outputs"):
        declare(**members)


def test_a_media_field_without_consent_is_refused():
    with pytest.raises(TypeError, match="consent"):
        MediaField(types=(MediaType.VIDEO,))  # type: ignore[call-arg]


@every
def test_it_is_short(feature: Feature):
    source = inspect.getsource(inspect.getmodule(type(feature)))
    assert len(source.splitlines()) <= MAX_LINES


@every
def test_its_example_can_be_tried(feature: Feature):
    fields = feature.parameters().get_fields()
    assert set(feature.example) <= set(fields)
    for name, field in fields.items():
        if field.required and field.default is empty:
            assert name in feature.example
        value = feature.example.get(name)
        if value is not None and isinstance(field, MediaField):
            assert (SAMPLES / value).is_file()
        if value is not None and isinstance(field, ProjectField):
            assert all((SAMPLES / first).is_file() for first in value)


@every
def test_the_engines_page_names_its_engines(feature: Feature):
    rows = re.findall(r"^\| ([a-z-]+) \|", ENGINES_PAGE.read_text(), re.MULTILINE)
    assert feature.slug in rows


@every
def test_its_tariff_says_what_its_price_reckons_with(feature: Feature):
    assert feature.tariff["credits"] > 0


@every
def test_it_is_documented_that_it_takes_no_other_names(feature: Feature, schema: Any):
    single = schema["paths"][f"/jobs/{feature.slug}"]["post"]["requestBody"]["content"]
    of_batch = schema["components"]["schemas"]["JobOfBatchRequest"]["discriminator"]["mapping"]
    for reference in (single["application/json"]["schema"]["$ref"], of_batch[feature.name]):
        described = schema["components"]["schemas"][reference.rpartition("/")[2]]
        assert described["additionalProperties"] is False
        assert "quote_id" in described["properties"]
