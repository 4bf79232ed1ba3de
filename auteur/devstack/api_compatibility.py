"""Find changes of an OpenAPI 3.1 document that would break clients of an earlier one.

A request may only accept more than before, a response may only promise more. Not compared: bounds
of numbers and lengths, patterns, headers of responses, and the form of errors.
"""

from collections.abc import Iterable, Iterator
from typing import Any

Schema = dict[str, Any]

KINDS = frozenset({"null", "boolean", "number", "string", "array", "object"})
STRUCTURES = ("properties", "items", "additionalProperties")


def find_breaks(old: Schema, new: Schema) -> list[str]:
    """Return a line for each break: its location and the difference. Report a component once."""
    return sorted(set(_Comparison(old, new).compare_operations()))


class _Comparison:
    def __init__(self, old: Schema, new: Schema) -> None:
        self._old, self._new = old, new
        self._seen: set[tuple[str, str, bool]] = set()

    def compare_operations(self) -> Iterator[str]:
        for path, methods in self._old["paths"].items():
            for method, old in methods.items():
                location = f"{method.upper()} {path}"
                new = self._new["paths"].get(path, {}).get(method)
                if new is None:
                    yield f"{location}: the operation is gone"
                    continue
                yield from self._compare_parameters(location, old, new)
                yield from self._compare_body(
                    location, old.get("requestBody"), new.get("requestBody")
                )
                yield from self._compare_responses(location, old["responses"], new["responses"])

    def _compare_parameters(self, location: str, old: Schema, new: Schema) -> Iterator[str]:
        old_parameters, new_parameters = (
            {
                f"{parameter['in']} parameter {parameter['name']}": parameter
                for parameter in operation.get("parameters", ())
            }
            for operation in (old, new)
        )
        for name in old_parameters.keys() - new_parameters.keys():
            yield f"{location}: {name} is gone"
        for name, parameter in new_parameters.items():
            earlier = old_parameters.get(name, {})
            if parameter.get("required") and not earlier.get("required"):
                yield f"{location}: {name} became required"
            if earlier:
                yield from self._compare_schema(
                    f"{location}: {name}", earlier["schema"], parameter["schema"], is_request=True
                )

    def _compare_body(self, location: str, old: Schema | None, new: Schema | None) -> Iterator[str]:
        if new and new.get("required") and not (old and old.get("required")):
            yield f"{location}: the request body became required"
        if old:
            content = new["content"] if new else {}
            yield from self._compare_content(
                f"{location}: request", old["content"], content, is_request=True
            )

    def _compare_responses(self, location: str, old: Schema, new: Schema) -> Iterator[str]:
        for status, response in old.items():
            if not status.startswith("2"):
                continue
            if status not in new:
                yield f"{location}: the answer {status} is gone"
                continue
            old_content, new_content = response.get("content", {}), new[status].get("content", {})
            yield from self._compare_content(
                f"{location}: answer {status}", old_content, new_content, is_request=False
            )

    def _compare_content(
        self, location: str, old: Schema, new: Schema, *, is_request: bool
    ) -> Iterator[str]:
        for kind, content in old.items():
            if kind not in new:
                yield f"{location}: {kind} is gone"
            else:
                old_schema, new_schema = content.get("schema", {}), new[kind].get("schema", {})
                yield from self._compare_schema(
                    location, old_schema, new_schema, is_request=is_request
                )

    def _compare_schema(
        self, location: str, old: Schema, new: Schema, *, is_request: bool
    ) -> Iterator[str]:
        if "$ref" in old and "$ref" in new:
            pair = (old["$ref"], new["$ref"], is_request)
            if pair in self._seen:
                return
            self._seen.add(pair)
        old_variants, new_variants = _list_variants(old, self._old), _list_variants(new, self._new)
        yield from _compare_types(location, old_variants, new_variants, is_request=is_request)
        if is_request:
            yield from _compare_values(location, old_variants, new_variants)
        old_structures, new_structures = (
            _group_structures(old_variants),
            _group_structures(new_variants),
        )
        if len(old_structures) == len(new_structures) == 1:
            new_structures = dict(zip(old_structures, new_structures.values(), strict=True))
        for label, structure in old_structures.items():
            if label in new_structures:
                yield from self._compare_fields(
                    location, structure, new_structures[label], is_request=is_request
                )
            elif is_request:
                yield f"{location}: {label} is not taken any more"

    def _compare_fields(
        self, location: str, old: Schema, new: Schema, *, is_request: bool
    ) -> Iterator[str]:
        old_fields, new_fields = old.get("properties", {}), new.get("properties", {})
        for name in old_fields.keys() - new_fields.keys():
            yield f"{location}: field {name} is gone"
        required, old_required = set(new.get("required", ())), set(old.get("required", ()))
        if is_request:
            yield from (
                f"{location}: field {name} became required" for name in required - old_required
            )
        else:
            missing = (old_required - required) & new_fields.keys()
            yield from (f"{location}: field {name} may be missing now" for name in missing)
        for name in old_fields.keys() & new_fields.keys():
            yield from self._compare_schema(
                f"{location}: {name}", old_fields[name], new_fields[name], is_request=is_request
            )
        for name in ("items", "additionalProperties"):
            old_item, new_item = old.get(name), new.get(name)
            if isinstance(old_item, dict) and isinstance(new_item, dict):
                yield from self._compare_schema(
                    f"{location}: each", old_item, new_item, is_request=is_request
                )


def _list_variants(schema: Schema, document: Schema) -> list[Schema]:
    """Return the alternatives of a value, with references resolved and `allOf` merged."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        variants = _list_variants(document["components"]["schemas"][name], document)
        return [{"name": name} | variant for variant in variants]
    for part in schema.get("allOf", ()):
        variants = _list_variants(part, document)
        first = variants[0]
        if len(variants) > 1:
            return variants
        schema = _merge_schemas(first, schema)
    choices = schema.get("oneOf") or schema.get("anyOf")
    if not choices:
        return [schema]
    return [variant for choice in choices for variant in _list_variants(choice, document)]


def _merge_schemas(first: Schema, second: Schema) -> Schema:
    merged = {"properties": first.get("properties", {}) | second.get("properties", {})}
    required = {"required": [*first.get("required", ()), *second.get("required", ())]}
    return first | second | (merged | required if merged["properties"] else {})


def _group_structures(variants: Iterable[Schema]) -> dict[str, Schema]:
    """Return objects and lists by a label that distinguishes them."""
    return {
        _build_label(variant): variant
        for variant in variants
        if any(name in variant for name in STRUCTURES)
    }


def _build_label(variant: Schema) -> str:
    consts = [
        str(field["const"]) for field in variant.get("properties", {}).values() if "const" in field
    ]
    return " ".join(consts) or variant.get("name") or str(variant.get("type", "object"))


def _compare_types(
    location: str, old: list[Schema], new: list[Schema], *, is_request: bool
) -> Iterator[str]:
    old_types, new_types = (
        {kind for variant in variants for kind in _list_types(variant)} for variants in (old, new)
    )
    if is_request and (
        removed := sorted(kind for kind in old_types if not _is_covered(kind, new_types))
    ):
        yield f"{location}: the type {', '.join(removed)} is not taken any more"
    if not is_request and (
        added := sorted(kind for kind in new_types if not _is_covered(kind, old_types))
    ):
        yield f"{location}: the type may be {', '.join(added)} now"


def _list_types(variant: Schema) -> Iterable[str]:
    kinds = variant.get("type", KINDS)
    suffix = f" {variant['format']}" if "format" in variant else ""
    return [f"{kind}{suffix}" for kind in ([kinds] if isinstance(kinds, str) else kinds)]


def _is_covered(kind: str, kinds: set[str]) -> bool:
    base_kind = kind.partition(" ")[0]
    return bool({kind, base_kind} & kinds) or (base_kind == "integer" and "number" in kinds)


def _compare_values(location: str, old: list[Schema], new: list[Schema]) -> Iterator[str]:
    old_values, new_values = _find_values(old), _find_values(new)
    if new_values is None:
        return
    if old_values is None:
        yield f"{location}: only {', '.join(sorted(map(str, new_values)))} is taken now"
    else:
        for value in sorted(map(str, old_values - new_values)):
            yield f"{location}: the value {value} is not taken any more"


def _find_values(variants: list[Schema]) -> set[Any] | None:
    """Return the listed values, or None if other values are allowed too."""
    values: set[Any] = set()
    for variant in variants:
        if "const" in variant or "enum" in variant:
            values |= {variant["const"]} if "const" in variant else set(variant["enum"])
        elif variant.get("type") != "null":
            return None
    return values - {None}
