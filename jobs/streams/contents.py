"""What users gave and got, as records tell it: bounded, and with addresses that last.

A founding field that would hold a presigned URL has an address of the API, which asks for a token.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import NoneType
from typing import Any

from django.conf import settings

from jobs.features import registry
from jobs.streams import schemas

MAX_JSON_CHARACTERS = 128 * 1024
"""Of parameters, or of a result: so no record is larger than brokers take."""
LEFT_OUT = "left_out"
"""In a text that was too long: the names of what it lacks."""
_KINDS: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "boolean": (bool,),
    "long": (int,),
    "double": (int, float),
    "null": (NoneType,),
}


@dataclass(frozen=True)
class _Parameter:
    """A field of a feature's stream: a parameter, or where the media file that it names is."""

    field: str
    name: str
    kinds: tuple[type, ...]
    default: Any

    def of(self, parameters: Mapping[str, Any]) -> Any:
        """Its value; the default where there is none that fits: old jobs may have any."""
        value = parameters.get(self.name)
        if self.field != self.name and isinstance(value, str):
            return media_url(value)
        return value if isinstance(value, self.kinds) else self.default


def typed(stream: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a feature's stream that hold parameters."""
    return {one.field: one.of(parameters) for one in _parameters(stream)}


@cache
def _parameters(stream: str) -> tuple[_Parameter, ...]:
    own = schemas.whole_schema(stream)["fields"]
    shared = {field["name"] for field in schemas.generic_schema()["fields"]}
    return tuple(_parameter(field) for field in own if field["name"] not in shared)


def _parameter(field: Mapping[str, Any]) -> _Parameter:
    types = field["type"] if isinstance(field["type"], list) else [field["type"]]
    kinds = tuple(kind for one in types for kind in _KINDS[one])
    name = field["name"]
    if name.endswith("_url"):
        return _Parameter(name, f"{name.removesuffix('_url')}_id", kinds, "")
    return _Parameter(name, name, kinds, field["default"])


@cache
def stored_apart() -> list[str]:
    """What results have in an object of the storage: no record repeats it, of old jobs neither."""
    return sorted({name for names in registry.list_stored_apart().values() for name in names})


def result(job_id: str, output: Mapping[str, Any]) -> dict[str, Any]:
    """A job's output, with lasting addresses instead of the keys of stored objects."""
    told: dict[str, Any] = {}
    for name, value in output.items():
        if name.endswith("_key"):
            told[f"{name.removesuffix('_key')}_url"] = f"{settings.PUBLIC_URL}/jobs/{job_id}"
        elif name == "media":
            told[name] = [_media(file) for file in value]
        else:
            told[name] = value
    return told


def _media(file: Mapping[str, Any]) -> dict[str, Any]:
    known = {name: value for name, value in file.items() if name != "object_key"}
    return known | {"media_url": media_url(file["id"])}


def media_url(media_id: str) -> str:
    """Tells, to who has a token, where the file can be fetched just then."""
    return f"{settings.PUBLIC_URL}/media/{media_id}"


def bounded(text: str) -> str:
    """A JSON object's text, without its largest values where it is too long."""
    if len(text) <= MAX_JSON_CHARACTERS:
        return text
    values: dict[str, Any] = json.loads(text)
    left_out: list[str] = []
    while values and len(text) > MAX_JSON_CHARACTERS:
        largest = max(sorted(values), key=lambda name: len(compact(values[name])))
        del values[largest]
        left_out.append(largest)
        text = compact(values | {LEFT_OUT: sorted(left_out)})
    return text


def compact(value: Any) -> str:
    """As JSON, the same each time."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, sort_keys=True)
