"""The effects that a clip may have: known ones, each with its parameters, and clients' own ones.

An unknown name is refused: a typing error would change nothing in a film that is paid for. Clients
keep what is theirs alone under names of their own, ``x_…``.
"""

import re
from collections.abc import Iterable
from typing import Annotated, Any, Literal, Self

import bson
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    StringConstraints,
    Tag,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError
from typing_extensions import TypeAliasType

from gpu_tasks.render.contract import MAX_GAIN_DB, MIN_GAIN_DB
from projects.bounds import MAX_CROSS_FADE_MS, MAX_RATE, MIN_RATE
from projects.documents import MAX_EFFECT_BYTES, MAX_EFFECTS, MAX_TIME_MS

PERMILLE = 1000
MAX_NUMBER = 2**53
OWN = "x_"
"""The prefix of clients' own effects."""

EffectRecord = dict[str, Any]
"""An effect as it is stored. Those of old documents may have other names and values."""
EffectType = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,39}$")]


def speed_permille(effects: Iterable[EffectRecord]) -> int:
    """Return how many milliseconds of the source pass in a second of the timeline."""
    for effect in effects:
        if effect["type"] == "speed":
            return round(effect["rate"] * PERMILLE)
    return PERMILLE


def _is_number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) <= MAX_NUMBER  # False for NaN.


def _check_steps(rate: float) -> float:
    if abs(rate * PERMILLE - round(rate * PERMILLE)) > 1e-6:
        raise PydanticCustomError("speed_rate", "A rate is told in steps of 0.001.")
    return rate


class KnownEffect(BaseModel):
    """One that is rendered: it has these parameters and no others."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class SpeedEffect(KnownEffect):
    """Changes how long the clip is; its sound keeps its pitch."""

    type: Literal["speed"]
    rate: Annotated[float, AfterValidator(_check_steps)] = Field(
        strict=True, ge=MIN_RATE, le=MAX_RATE, description="In steps of 0.001; 2 is twice as fast."
    )


class CrossFadeEffect(KnownEffect):
    """Lets the clip overlap the one before it on its track: there they dissolve."""

    type: Literal["cross_fade"]
    duration_ms: int = Field(
        strict=True, ge=1, le=MAX_CROSS_FADE_MS, description="By how much it may overlap it."
    )


class _Fade(KnownEffect):
    type: str
    duration_ms: int = Field(
        strict=True,
        ge=1,
        le=MAX_TIME_MS,
        description="Of the whole fade, on the timeline; it may be longer than the clip.",
    )
    offset_ms: int = Field(
        default=0,
        strict=True,
        ge=0,
        exclude_if=lambda offset: not offset,
        description="How much of the fade lies outside the clip, for a clip that was cut within "
        "its fade: before its start (`fade_in`), or behind its end (`fade_out`).",
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.offset_ms >= self.duration_ms:
            raise PydanticCustomError("fade_offset", "A fade is longer than its `offset_ms`.")
        return self


class FadeInEffect(_Fade):
    """The clip comes in, picture and sound, from the start of the clip on."""

    type: Literal["fade_in"]


class FadeOutEffect(_Fade):
    """The clip goes out, picture and sound, until the end of the clip."""

    type: Literal["fade_out"]


class GainEffect(KnownEffect):
    """Makes its sound louder or quieter."""

    type: Literal["gain"]
    db: float = Field(
        strict=True,
        ge=MIN_GAIN_DB,
        le=MAX_GAIN_DB,
        description=f"Decibels; {MIN_GAIN_DB:.0f} is silence.",
    )


EFFECT_MODELS: dict[str, type[KnownEffect]] = {
    "speed": SpeedEffect,
    "cross_fade": CrossFadeEffect,
    "fade_in": FadeInEffect,
    "fade_out": FadeOutEffect,
    "gain": GainEffect,
}
"""In the order of `RenderedEffect`."""
_OWN_NAME = rf"^{OWN}[a-z0-9_]{{1,38}}$"


def _check_own_name(name: str) -> str:
    if not re.fullmatch(_OWN_NAME, name):
        names = ", ".join(f"`{name}`" for name in EFFECT_MODELS)
        raise PydanticCustomError(
            "unknown_effect", f"Effects are {names}, and ones of your own, `{OWN}…`."
        )
    return name


class OwnEffect(BaseModel):
    """One of the client's own: kept with the clip, and not rendered.

    Its parameters are strings, numbers, booleans, null, and lists of numbers.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    type: Annotated[
        str, AfterValidator(_check_own_name), Field(json_schema_extra={"pattern": _OWN_NAME})
    ]

    @model_validator(mode="after")
    def _check(self) -> Self:
        parameters = self.model_extra or {}
        if not all(map(_is_parameter, parameters.values())):
            raise PydanticCustomError("effect_parameter", "A parameter is not of a known kind.")
        if not all(name.isascii() and name.isidentifier() for name in parameters):
            raise PydanticCustomError("effect_parameter", "A parameter has no proper name.")
        if len(bson.encode(self.model_dump())) > MAX_EFFECT_BYTES:
            raise PydanticCustomError("effect_too_large", "The effect has too many parameters.")
        return self


def _is_parameter(value: Any) -> bool:
    if isinstance(value, list):
        return all(_is_number(item) for item in value)
    if isinstance(value, str):
        return value.encode(errors="replace").decode() == value  # No half of a surrogate pair.
    return value is None or isinstance(value, bool) or _is_number(value)


def _tag(name: str) -> str:
    return f"({name})"


TAGS = frozenset(map(_tag, [*EFFECT_MODELS, "known", OWN]))
"""The names of the members in locations of errors; no client's parameter has such a name."""


def _choose_effect(value: Any) -> str:
    """Return the tag of the known effect that a value names, or of clients' own effects."""
    name = value.get("type") if isinstance(value, dict) else getattr(value, "type", None)
    return _tag(name) if isinstance(name, str) and name in EFFECT_MODELS else _tag(OWN)


def _choose_group(value: Any) -> str:
    return _tag(OWN) if _choose_effect(value) == _tag(OWN) else _tag("known")


class _ByType:
    """Declares in the schema that ``type`` discriminates the union's members."""

    def __get_pydantic_json_schema__(
        self, core: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        schema = handler(core)
        refs = (member["$ref"] for member in schema["oneOf"])
        mapping = dict(zip(EFFECT_MODELS, refs, strict=True))
        return schema | {"discriminator": {"propertyName": "type", "mapping": mapping}}


RenderedEffect = TypeAliasType(
    "RenderedEffect",
    Annotated[
        Annotated[SpeedEffect, Tag(_tag("speed"))]
        | Annotated[CrossFadeEffect, Tag(_tag("cross_fade"))]
        | Annotated[FadeInEffect, Tag(_tag("fade_in"))]
        | Annotated[FadeOutEffect, Tag(_tag("fade_out"))]
        | Annotated[GainEffect, Tag(_tag("gain"))],
        Discriminator(_choose_effect),
        _ByType(),
    ],
)
Effect = TypeAliasType(
    "Effect",
    Annotated[
        Annotated[RenderedEffect, Tag(_tag("known"))] | Annotated[OwnEffect, Tag(_tag(OWN))],
        Discriminator(_choose_group),
    ],
)


def stored_effects(effects: Iterable[Effect]) -> list[EffectRecord]:
    """Return effects as they are stored."""
    return [effect.model_dump() for effect in effects]


def _check_types(effects: list[Effect]) -> list[Effect]:
    if len({effect.type for effect in effects}) != len(effects):
        raise PydanticCustomError("duplicate_effect", "A clip has one effect of each type.")
    return effects


Effects = Annotated[list[Effect], Field(max_length=MAX_EFFECTS), AfterValidator(_check_types)]


class _StoredEffects:
    """Has a list of stored effects validated as `Effects`."""

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return handler.generate_schema(Annotated[Effects, AfterValidator(stored_effects)])


STORED_EFFECTS = _StoredEffects()
