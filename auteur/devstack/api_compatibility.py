"""What of an OpenAPI 3.1 document would break clients that were written for an earlier one.

Requests may only take more than before, answers may only promise more. Not compared: bounds of
numbers and lengths, patterns, headers of answers, and what errors look like.
"""

from collections.abc import Iterable, Iterator
from typing import Any

Schema = dict[str, Any]

KINDS = frozenset({"null", "boolean", "number", "string", "array", "object"})
STRUCTURES = ("properties", "items", "additionalProperties")


def find_breaks(old: Schema, new: Schema) -> list[str]:
    """A line for each break: where it is, and what is different. A component is told of once."""
    return sorted(set(_Comparison(old, new).operations()))


class _Comparison:
    def __init__(self, old: Schema, new: Schema) -> None:
        self._old, self._new = old, new
        self._seen: set[tuple[str, str, bool]] = set()

    def operations(self) -> Iterator[str]:
        for path, methods in self._old["paths"].items():
            for method, old in methods.items():
                place = f"{method.upper()} {path}"
                new = self._new["paths"].get(path, {}).get(method)
                if new is None:
                    yield f"{place}: the operation is gone"
                    continue
                yield from self._parameters(place, old, new)
                yield from self._body(place, old.get("requestBody"), new.get("requestBody"))
                yield from self._answers(place, old["responses"], new["responses"])

    def _parameters(self, place: str, old: Schema, new: Schema) -> Iterator[str]:
        was, now = (
            {f"{each['in']} parameter {each['name']}": each for each in one.get("parameters", ())}
            for one in (old, new)
        )
        for name in was.keys() - now.keys():
            yield f"{place}: {name} is gone"
        for name, parameter in now.items():
            earlier = was.get(name, {})
            if parameter.get("required") and not earlier.get("required"):
                yield f"{place}: {name} became required"
            if earlier:
                yield from self._schema(
                    f"{place}: {name}", earlier["schema"], parameter["schema"], asked=True
                )

    def _body(self, place: str, old: Schema | None, new: Schema | None) -> Iterator[str]:
        if new and new.get("required") and not (old and old.get("required")):
            yield f"{place}: the request body became required"
        if old:
            content = new["content"] if new else {}
            yield from self._content(f"{place}: request", old["content"], content, asked=True)

    def _answers(self, place: str, old: Schema, new: Schema) -> Iterator[str]:
        for status, answer in old.items():
            if not status.startswith("2"):
                continue
            if status not in new:
                yield f"{place}: the answer {status} is gone"
                continue
            was, now = answer.get("content", {}), new[status].get("content", {})
            yield from self._content(f"{place}: answer {status}", was, now, asked=False)

    def _content(self, place: str, old: Schema, new: Schema, *, asked: bool) -> Iterator[str]:
        for kind, content in old.items():
            if kind not in new:
                yield f"{place}: {kind} is gone"
            else:
                was, now = content.get("schema", {}), new[kind].get("schema", {})
                yield from self._schema(place, was, now, asked=asked)

    def _schema(self, place: str, old: Schema, new: Schema, *, asked: bool) -> Iterator[str]:
        if "$ref" in old and "$ref" in new:
            pair = (old["$ref"], new["$ref"], asked)
            if pair in self._seen:
                return
            self._seen.add(pair)
        was, now = _variants(old, self._old), _variants(new, self._new)
        yield from _kinds(place, was, now, asked=asked)
        if asked:
            yield from _values(place, was, now)
        before, after = _structures(was), _structures(now)
        if len(before) == len(after) == 1:
            after = dict(zip(before, after.values(), strict=True))
        for label, structure in before.items():
            if label in after:
                yield from self._fields(place, structure, after[label], asked=asked)
            elif asked:
                yield f"{place}: {label} is not taken any more"

    def _fields(self, place: str, old: Schema, new: Schema, *, asked: bool) -> Iterator[str]:
        was, now = old.get("properties", {}), new.get("properties", {})
        for name in was.keys() - now.keys():
            yield f"{place}: field {name} is gone"
        required, earlier = set(new.get("required", ())), set(old.get("required", ()))
        if asked:
            yield from (f"{place}: field {name} became required" for name in required - earlier)
        else:
            missing = (earlier - required) & now.keys()
            yield from (f"{place}: field {name} may be missing now" for name in missing)
        for name in was.keys() & now.keys():
            yield from self._schema(f"{place}: {name}", was[name], now[name], asked=asked)
        for name in ("items", "additionalProperties"):
            one, other = old.get(name), new.get(name)
            if isinstance(one, dict) and isinstance(other, dict):
                yield from self._schema(f"{place}: each", one, other, asked=asked)


def _variants(schema: Schema, document: Schema) -> list[Schema]:
    """What a value may be: references followed, choices side by side, `allOf` made one."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        found = _variants(document["components"]["schemas"][name], document)
        return [{"name": name} | each for each in found]
    for part in schema.get("allOf", ()):
        (first, *others) = _variants(part, document)
        if others:
            return [first, *others]
        schema = _joined(first, schema)
    choices = schema.get("oneOf") or schema.get("anyOf")
    return [each for one in choices for each in _variants(one, document)] if choices else [schema]


def _joined(one: Schema, other: Schema) -> Schema:
    both = {"properties": one.get("properties", {}) | other.get("properties", {})}
    required = {"required": [*one.get("required", ()), *other.get("required", ())]}
    return one | other | (both | required if both["properties"] else {})


def _structures(variants: Iterable[Schema]) -> dict[str, Schema]:
    """Objects and lists, by what tells them apart."""
    return {_label(each): each for each in variants if any(name in each for name in STRUCTURES)}


def _label(variant: Schema) -> str:
    consts = [
        str(each["const"]) for each in variant.get("properties", {}).values() if "const" in each
    ]
    return " ".join(consts) or variant.get("name") or str(variant.get("type", "object"))


def _kinds(place: str, old: list[Schema], new: list[Schema], *, asked: bool) -> Iterator[str]:
    was, now = ({kind for each in some for kind in _kinds_of(each)} for some in (old, new))
    if asked and (gone := sorted(kind for kind in was if not _covered(kind, now))):
        yield f"{place}: the type {', '.join(gone)} is not taken any more"
    if not asked and (added := sorted(kind for kind in now if not _covered(kind, was))):
        yield f"{place}: the type may be {', '.join(added)} now"


def _kinds_of(variant: Schema) -> Iterable[str]:
    kinds = variant.get("type", KINDS)
    form = f" {variant['format']}" if "format" in variant else ""
    return [f"{kind}{form}" for kind in ([kinds] if isinstance(kinds, str) else kinds)]


def _covered(kind: str, kinds: set[str]) -> bool:
    plain = kind.partition(" ")[0]
    return bool({kind, plain} & kinds) or (plain == "integer" and "number" in kinds)


def _values(place: str, old: list[Schema], new: list[Schema]) -> Iterator[str]:
    was, now = _values_of(old), _values_of(new)
    if now is None:
        return
    if was is None:
        yield f"{place}: only {', '.join(sorted(map(str, now)))} is taken now"
    else:
        for value in sorted(map(str, was - now)):
            yield f"{place}: the value {value} is not taken any more"


def _values_of(variants: list[Schema]) -> set[Any] | None:
    """None: not only what is listed."""
    found: set[Any] = set()
    for each in variants:
        if "const" in each or "enum" in each:
            found |= {each["const"]} if "const" in each else set(each["enum"])
        elif each.get("type") != "null":
            return None
    return found - {None}
