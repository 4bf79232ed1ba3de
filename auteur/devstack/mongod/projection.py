"""Projections of `find` and `findAndModify`: inclusion, exclusion, `$slice` and `$elemMatch`."""

from dataclasses import dataclass
from typing import Any, Final

from .errors import CommandError, ErrorCode, not_implemented
from .query import matches_element
from .values import MISSING, Document, is_number

# A rule is True (keep), False (leave out), an operator, or a dict of rules one level down.
Rules = dict[str, Any]


@dataclass(frozen=True)
class Slice:
    """`$slice`: some of an array, from its start, its end or after `skip`."""

    skip: int | None
    limit: int

    def of(self, value: Any) -> Any:
        """What remains of a field's value; only arrays are sliced."""
        if not isinstance(value, list):
            return value
        if self.skip is None:
            return value[: self.limit] if self.limit >= 0 else value[self.limit :]
        start = max(len(value) + self.skip, 0) if self.skip < 0 else self.skip
        return value[start : start + self.limit]


@dataclass(frozen=True)
class ElementMatch:
    """`$elemMatch`: the first element that satisfies a condition."""

    condition: Document

    def of(self, value: Any) -> Any:
        """The array of that one element, or MISSING when there is none."""
        elements = value if isinstance(value, list) else []
        found = (e for e in elements if matches_element(self.condition, e))
        first = next(found, MISSING)
        return MISSING if first is MISSING else [first]


@dataclass(frozen=True, kw_only=True)
class Projection:
    """A parsed projection; `apply` shares what it keeps with the document and mutates nothing."""

    rules: Rules
    including: bool

    def apply(self, document: Document) -> Document:
        """The part of a document that this projection keeps."""
        return _projected(document, self.rules, including=self.including)


KEEP_ALL: Final = Projection(rules={}, including=False)


def parse_projection(spec: Document) -> Projection:
    """The projection that a specification such as {"tracks": 1} stands for."""
    rules: Rules = {}
    for path, value in spec.items():
        _add_rule(rules, path, path.split("."), value)
    including = _is_inclusion(rules)
    _refuse_mixture(rules, including=including, prefix="")
    if including:
        rules.setdefault("_id", True)
        if rules["_id"] is False:
            del rules["_id"]
    return Projection(rules=rules, including=including)


def _add_rule(rules: Rules, path: str, parts: list[str], value: Any) -> None:
    if "$" in parts or not all(parts):
        raise not_implemented(f"the projection path '{path}'")
    *parents, last = parts
    for parent in parents:
        rules = rules.setdefault(parent, {})
        if not isinstance(rules, dict):
            raise _collision(path)
    if last in rules:
        raise _collision(path)
    rules[last] = _parse_rule(path, value)


def _collision(path: str) -> CommandError:
    return CommandError(ErrorCode.Location31249, f"Path collision at {path}")


def _parse_rule(path: str, value: Any) -> Any:
    if isinstance(value, bool) or is_number(value):
        return bool(value)
    if not isinstance(value, dict) or not value:
        raise not_implemented(f"a projection of '{path}' by an expression")
    name, argument = next(iter(value.items()))
    if not name.startswith("$"):
        nested: Rules = {}
        for key, item in value.items():
            _add_rule(nested, f"{path}.{key}", key.split("."), item)
        return nested
    if name == "$slice" and len(value) == 1:
        return _parse_slice(argument)
    if name == "$elemMatch" and len(value) == 1 and isinstance(argument, dict) and "." not in path:
        return ElementMatch(argument)
    raise not_implemented(f"the projection operator {name} in '{path}'")


def _parse_slice(argument: Any) -> Slice:
    numbers = argument if isinstance(argument, list) else [argument]
    if not all(isinstance(n, int) and not isinstance(n, bool) for n in numbers):
        raise not_implemented("a $slice of anything but integers")
    if isinstance(argument, int):
        return Slice(None, argument)
    match numbers:
        case [skip, limit] if limit > 0:
            return Slice(skip, limit)
    raise CommandError(
        ErrorCode.BadValue, "$slice takes a limit, or [skip, limit] with a positive limit"
    )


def _is_inclusion(rules: Rules) -> bool:
    others = [_leaning(rule) for name, rule in rules.items() if name != "_id"]
    decided = [leaning for leaning in others if leaning is not None]
    return decided[0] if decided else rules.get("_id") is True


def _leaning(rule: Any) -> bool | None:
    """Whether a rule makes its projection one of inclusion; None when it goes with either."""
    if isinstance(rule, ElementMatch):
        return True
    if isinstance(rule, dict):
        return next((x for x in map(_leaning, rule.values()) if x is not None), None)
    return rule if isinstance(rule, bool) else None


def _refuse_mixture(rules: Rules, *, including: bool, prefix: str) -> None:
    for name, rule in rules.items():
        path = f"{prefix}{name}"
        if isinstance(rule, dict):
            _refuse_mixture(rule, including=including, prefix=f"{path}.")
        elif isinstance(rule, bool) and rule is not including and path != "_id":
            code = ErrorCode.Location31254 if including else ErrorCode.Location31253
            kind, other = ("exclusion", "inclusion") if including else ("inclusion", "exclusion")
            raise CommandError(code, f"Cannot do {kind} on field {path} in {other} projection")


def _projected(node: Document, rules: Rules, *, including: bool) -> Document:
    result = {}
    for name, value in node.items():
        rule = rules.get(name, not including)
        kept = _ruled(value, rule, including=including)
        if kept is not MISSING:
            result[name] = kept
    return result


def _ruled(value: Any, rule: Any, *, including: bool) -> Any:
    if isinstance(rule, bool):
        return value if rule else MISSING
    if isinstance(rule, Slice | ElementMatch):
        return rule.of(value)
    if isinstance(value, dict):
        return _projected(value, rule, including=including)
    if isinstance(value, list):
        elements = (_ruled(element, rule, including=including) for element in value)
        return [element for element in elements if element is not MISSING]
    return MISSING if including else value
