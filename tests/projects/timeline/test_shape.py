"""The one schema of an EDL: what is validated has the types that mypy knows, and is stored so."""

from datetime import datetime
from typing import Annotated, Any, get_type_hints

import pytest
from pydantic import TypeAdapter, ValidationError

from projects.documents import EditDecisionList
from projects.timeline import content, effects, shape
from projects.timeline.fields import Stored
from tests.projects.timeline.making import clip, segment, track, word

ORIGIN = {"id": "a", "duration_ms": 9, "in_point_ms": 0, "out_point_ms": 9}
CUT = {"mode": "gap", "segment_id": None}
VALUES: dict[Any, dict[str, Any]] = {
    content.OriginRecord: ORIGIN,
    content.CutRecord: CUT,
    content.Clip: clip("a", 0, 0, 9),
    content.Track: track(clip("a", 0, 0, 9)),
    content.Word: word("one", 0, 9),
    content.Segment: segment("s", 0, "one"),
}
"""A value of each kind with its required fields alone."""


def adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(Annotated[kind, Stored(kind)])


@pytest.mark.parametrize("kind", VALUES)
def test_values_have_the_fields_of_their_kind(kind: Any) -> None:
    value = VALUES[kind]
    unset = dict.fromkeys(kind.__optional_keys__)
    flags = {name: False for name in unset if get_type_hints(kind)[name] is bool}

    assert value.keys() == kind.__required_keys__
    assert adapter(kind).validate_python(value) == value
    assert adapter(kind).validate_python(value | unset | flags) == value
    with pytest.raises(ValidationError):
        adapter(kind).validate_python(value | {"other": 1})


@pytest.mark.parametrize("kind", VALUES)
def test_the_schema_of_values_requires_no_field_that_may_be_absent(kind: Any) -> None:
    schema = adapter(kind).json_schema(mode="serialization")

    assert set(schema["required"]) <= kind.__required_keys__
    assert set(schema["properties"]) == kind.__required_keys__ | kind.__optional_keys__


def test_a_transcript_has_the_fields_of_its_model() -> None:
    hints = get_type_hints(content.Transcript)

    assert hints.keys() == shape.TranscriptShape.model_fields.keys()
    assert hints["generated_at"] == datetime | None


def test_effects_are_stored_with_their_parameters_alone() -> None:
    fade = {"type": "fade_in", "duration_ms": 300, "offset_ms": 0}
    origin = ORIGIN | {"effects": [fade, {"type": "x_own", "level": 1}]}

    stored = adapter(content.OriginRecord).validate_python(origin)

    assert stored["effects"] == [
        {"type": "fade_in", "duration_ms": 300},
        {"type": "x_own", "level": 1},
    ]
    assert get_type_hints(content.OriginRecord)["effects"] == list[effects.EffectRecord]


def test_a_document_has_the_fields_that_are_stored() -> None:
    fields = set(get_type_hints(content.Document))

    assert fields == set(EditDecisionList._fields) - {"id", "user_id"}
    assert fields >= shape.Edl.model_fields.keys() - {"undo_depth", "redo_depth"}
