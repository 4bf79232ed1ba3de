"""The types that mypy knows of an EDL are those of the one schema, name by name."""

from datetime import datetime
from functools import reduce
from operator import or_
from types import GenericAlias, NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import pytest
from pydantic import AwareDatetime, BaseModel
from typing_extensions import TypeAliasType

from projects.documents import EditDecisionList
from projects.timeline import content, effects, shape

TYPES: dict[Any, Any] = {
    shape.OriginShape: content.OriginRecord,
    shape.CutShape: content.CutRecord,
    shape.ClipShape: content.Clip,
    shape.TrackShape: content.Track,
    shape.WordShape: content.Word,
    shape.SegmentShape: content.Segment,
    shape.TranscriptShape: content.Transcript,
    shape.EdlResolution: content.Resolution,
    shape.EdlSettings: content.Settings,
    shape.CaptionsStyleShape: content.CaptionsStyle,
}
"""What each model checks."""
OTHERS: dict[Any, Any] = {
    AwareDatetime: datetime,
    effects.OwnEffect: content.Effect,
    **dict.fromkeys(effects.KNOWN.values(), content.Effect),
}


def plain(annotation: Any) -> Any:
    """A type without its bounds, models as the values that they check."""
    if isinstance(annotation, TypeAliasType):
        return plain(annotation.__value__)
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return plain(inner[0])
    if origin is Literal:
        return type(inner[0])
    if origin is list:
        return GenericAlias(list, (plain(inner[0]),))
    if origin in (Union, UnionType):
        return reduce(or_, map(plain, inner))
    return (TYPES | OTHERS).get(annotation, annotation)


def stored_types(model: type[BaseModel]) -> dict[str, tuple[Any, bool]]:
    """The type of each field, and whether it is always stored."""
    types = {}
    for name, field in model.model_fields.items():
        always = field.exclude_if is None
        kind = plain(field.annotation)
        if not always:
            some = [each for each in get_args(kind) if each is not NoneType]
            kind = reduce(or_, some or [kind])
        types[name] = (kind, always)
    return types


@pytest.mark.parametrize("model", TYPES)
def test_values_have_the_fields_of_their_model(model: type[BaseModel]) -> None:
    kind = TYPES[model]
    hints = get_type_hints(kind)

    assert stored_types(model) == {
        name: (hints[name], name in kind.__required_keys__) for name in hints
    }


def test_effects_have_the_parameters_of_those_that_are_known() -> None:
    known = [stored_types(model) for model in effects.KNOWN.values()]

    assert get_type_hints(content.Effect) == {
        name: kind for each in known for name, (kind, _) in each.items()
    }


def test_a_document_has_the_fields_that_are_stored() -> None:
    fields = set(get_type_hints(content.Document))

    assert fields == set(EditDecisionList._fields) - {"id", "user_id"}
    assert fields >= shape.Edl.model_fields.keys() - {"undo_depth", "redo_depth"}
