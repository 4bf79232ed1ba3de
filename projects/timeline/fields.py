"""Types of single fields of an EDL and of operations: what one value may be by itself."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    StringConstraints,
    WrapValidator,
)
from pydantic import ValidationError as ShapeError
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import (
    CoreSchema,
    InitErrorDetails,
    PydanticCustomError,
    PydanticKnownError,
    core_schema,
)

from auteur.core.api.problems import MAX_ERRORS
from projects.documents import (
    MAX_CLIPS,
    MAX_ID_LENGTH,
    MAX_SEGMENT_TEXT_LENGTH,
    MAX_SPEAKER_LENGTH,
    MAX_TIME_MS,
    MAX_TRACK_NAME_LENGTH,
    MAX_WORD_LENGTH,
    MIN_CLIP_MS,
)


def _parse_uuid(value: str) -> str:
    try:
        return str(uuid.UUID(value))
    except ValueError as exc:
        raise PydanticCustomError("uuid", "This is no UUID.") from exc


Id = Annotated[str, StringConstraints(pattern=rf"^[A-Za-z0-9_.:-]{{1,{MAX_ID_LENGTH}}}$")]
MediaId = Annotated[
    str,
    StringConstraints(max_length=MAX_ID_LENGTH),
    AfterValidator(_parse_uuid),
    Field(json_schema_extra={"format": "uuid"}),
]
Ms = Annotated[int, Field(strict=True, ge=0, le=MAX_TIME_MS)]
ClipMs = Annotated[int, Field(strict=True, ge=MIN_CLIP_MS, le=MAX_TIME_MS)]
SourceTimelineMs = Annotated[int, Field(strict=True, ge=0, le=MAX_CLIPS * MAX_TIME_MS)]
Flag = Annotated[bool, Field(strict=True)]
Mode = Literal["gap", "ripple"]
TrackType = Literal["video", "audio"]
TrackName = Annotated[str, StringConstraints(min_length=1, max_length=MAX_TRACK_NAME_LENGTH)]
SegmentText = Annotated[str, StringConstraints(max_length=MAX_SEGMENT_TEXT_LENGTH)]
WordText = Annotated[str, StringConstraints(max_length=MAX_WORD_LENGTH)]
Language = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*$", max_length=35)
]
Speaker = Annotated[str, StringConstraints(min_length=1, max_length=MAX_SPEAKER_LENGTH)]


class _OrNull:
    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        nullable = core_schema.nullable_schema(handler(source))
        return core_schema.with_default_schema(nullable, default=None)


OR_NULL = _OrNull()
"""Marks a field that clients may leave out or send as null; then it is not stored."""


@dataclass(frozen=True)
class Stored:
    """Marks a `TypedDict` of which fields that are not required are stored only if they are set."""

    kind: Any

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._drop_unset, handler(source))

    def _drop_unset(self, value: dict[str, Any]) -> dict[str, Any]:
        optional = self.kind.__optional_keys__
        return {
            name: field
            for name, field in value.items()
            if name not in optional or not (field is None or field is False)
        }

    def __get_pydantic_json_schema__(
        self, core: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        schema = handler(core)
        for option in schema.get("anyOf", [schema]):
            definition = handler.resolve_ref_schema(option)
            names = definition.get("required", [])
            if names:
                definition["required"] = [n for n in names if n in self.kind.__required_keys__]
        return schema


def at_most(length: int) -> WrapValidator:
    """Return a validator of a list type: items are validated only if there are no more than this.

    The first errors end the validation. Pydantic by itself keeps every error of every item until
    the last: a body of two megabytes made gigabytes of them.
    """

    def validate(value: Any, handler: Callable[[Any], list[Any]]) -> list[Any]:
        if not isinstance(value, list):
            return handler(value)
        if len(value) > length:
            context = {"field_type": "List", "max_length": length, "actual_length": len(value)}
            raise PydanticKnownError("too_long", context)
        items: list[Any] = []
        for begin in range(0, max(len(value), 1), MAX_ERRORS):
            try:
                items += handler(value[begin : begin + MAX_ERRORS])
            except ShapeError as exc:
                raise _shift_errors(exc, begin) from None
        return items

    return WrapValidator(validate)


def _shift_errors(error: ShapeError, shift: int) -> ShapeError:
    """Return the first errors of a batch, at their items' indexes in the whole list."""
    lines: list[InitErrorDetails] = []
    details = error.errors(include_url=False, include_context=False, include_input=False)
    for detail in details[:MAX_ERRORS]:
        location = tuple(detail["loc"])
        if location and isinstance(location[0], int):
            location = (location[0] + shift, *location[1:])
        # A custom error of the same code and sentence: built-in ones want their context again.
        kind = PydanticCustomError(detail["type"], detail["msg"])
        lines.append(InitErrorDetails(type=kind, loc=location, input=None))
    return ShapeError.from_exception_data(error.title, lines)
