"""Build the parameters and results in records: bounded in size, with addresses that last.

Presigned URLs expire, so records have an address of the API instead, which requires a token.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import NoneType
from typing import Any

from django.conf import settings

from jobs.features import registry
from jobs.integrations.streams import schemas

MAX_JSON_CHARACTERS = 128 * 1024
"""The limit of parameters and of a result, so that brokers accept every record."""
LEFT_OUT = "left_out"
"""The key under which a shortened object lists the names of its missing values."""
_KINDS: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "boolean": (bool,),
    "long": (int,),
    "double": (int, float),
    "null": (NoneType,),
}


@dataclass(frozen=True)
class _Parameter:
    """A field of a feature's stream: a parameter, or the address of the media file it names."""

    field: str
    name: str
    kinds: tuple[type, ...]
    default: Any

    def get_value(self, parameters: Mapping[str, Any]) -> Any:
        """Return the field's value, or the default if none fits. Old jobs may have any value."""
        value = parameters.get(self.name)
        if self.field != self.name and isinstance(value, str):
            return build_media_url(value)
        return value if isinstance(value, self.kinds) else self.default


def select_typed_fields(stream: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a feature's stream that hold parameters."""
    return {
        parameter.field: parameter.get_value(parameters) for parameter in _load_parameters(stream)
    }


@cache
def _load_parameters(stream: str) -> tuple[_Parameter, ...]:
    fields = schemas.build_complete_schema(stream)["fields"]
    common_names = {field["name"] for field in schemas.get_generic_schema()["fields"]}
    return tuple(_build_parameter(field) for field in fields if field["name"] not in common_names)


def _build_parameter(field: Mapping[str, Any]) -> _Parameter:
    types = field["type"] if isinstance(field["type"], list) else [field["type"]]
    kinds = tuple(kind for type_name in types for kind in _KINDS[type_name])
    name = field["name"]
    if name.endswith("_url"):
        return _Parameter(name, f"{name.removesuffix('_url')}_id", kinds, "")
    return _Parameter(name, name, kinds, field["default"])


@cache
def list_stored_apart() -> list[str]:
    """Return the names of result values that are stored as objects. No record repeats these."""
    return sorted({name for names in registry.list_stored_apart().values() for name in names})


def build_result(job_id: str, output: Mapping[str, Any]) -> dict[str, Any]:
    """Return a job's output, with lasting addresses instead of keys of stored objects."""
    values: dict[str, Any] = {}
    for name, value in output.items():
        if name.endswith("_key"):
            values[f"{name.removesuffix('_key')}_url"] = f"{settings.PUBLIC_URL}/jobs/{job_id}"
        elif name == "media":
            values[name] = [_build_media(file) for file in value]
        else:
            values[name] = value
    return values


def _build_media(file: Mapping[str, Any]) -> dict[str, Any]:
    properties = {name: value for name, value in file.items() if name != "object_key"}
    return properties | {"media_url": build_media_url(file["id"])}


def build_media_url(media_id: str) -> str:
    """Return an address that redirects callers with a token to the file's current URL."""
    return f"{settings.PUBLIC_URL}/media/{media_id}"


def dump_bounded(text: str) -> str:
    """Return the text of a JSON object. If it is too long, its largest values are removed."""
    if len(text) <= MAX_JSON_CHARACTERS:
        return text
    values: dict[str, Any] = json.loads(text)
    removed_names: list[str] = []
    while values and len(text) > MAX_JSON_CHARACTERS:
        largest = max(sorted(values), key=lambda name: len(dump_compact(values[name])))
        del values[largest]
        removed_names.append(largest)
        text = dump_compact(values | {LEFT_OUT: sorted(removed_names)})
    return text


def dump_compact(value: Any) -> str:
    """Return the value as JSON, the same text each time."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, sort_keys=True)
