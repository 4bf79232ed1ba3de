"""The update operators, each a function of a field's old value and the operator's argument."""

import itertools
import operator
import time
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal, localcontext
from typing import Any, Final

from bson import Decimal128, Int64, Timestamp
from bson.decimal128 import create_decimal128_context

from .errors import CommandError, ErrorCode
from .query import less_than, matches_element, ordered, ordered_values, same
from .values import MISSING, identity, is_number, type_name

Operator = Callable[[Any, Any], Any]

_INT64_RANGE: Final = range(-(2**63), 2**63)
_INT32_RANGE: Final = range(-(2**31), 2**31)
_timestamp_counter = itertools.count(1)


def set_value(_old: Any, value: Any) -> Any:
    """`$set`, and `$setOnInsert` where it applies."""
    return value


def _unset(_old: Any, _argument: Any) -> Any:
    return MISSING


def _increment(old: Any, amount: Any) -> Any:
    return _arithmetic("$inc", operator.add, 0 if old is MISSING else old, amount)


def _multiply(old: Any, factor: Any) -> Any:
    return _arithmetic("$mul", operator.mul, 0 if old is MISSING else old, factor)


def _minimum(old: Any, value: Any) -> Any:
    return value if old is MISSING or less_than(value, old) else old


def _maximum(old: Any, value: Any) -> Any:
    return value if old is MISSING or less_than(old, value) else old


def _current_date(_old: Any, argument: Any) -> Any:
    kind = argument.get("$type") if isinstance(argument, dict) else argument
    if kind == "timestamp":
        return Timestamp(int(time.time()), next(_timestamp_counter))
    if kind == "date" or isinstance(kind, bool):
        now = datetime.now(UTC).replace(tzinfo=None)
        return now.replace(microsecond=now.microsecond // 1000 * 1000)
    raise _bad_value("$currentDate takes true or {$type: 'date' | 'timestamp'}")


def _push(old: Any, argument: Any) -> Any:
    modifiers = argument if _has_each(argument) else {"$each": [argument]}
    if unknown := modifiers.keys() - {"$each", "$position", "$sort", "$slice"}:
        raise _bad_value(f"Unrecognized clause in $push: {unknown.pop()}")
    array, added = _array(old, "$push"), _each(modifiers, "$push")
    position = _integer(modifiers.get("$position", len(array)), "$position")
    result = [*array[:position], *added, *array[position:]]
    if "$sort" in modifiers:
        result = _sorted(result, modifiers["$sort"])
    if "$slice" in modifiers:
        limit = _integer(modifiers["$slice"], "$slice")
        result = result[:limit] if limit >= 0 else result[limit:]
    return result


def _add_to_set(old: Any, argument: Any) -> Any:
    modifiers = argument if _has_each(argument) else {"$each": [argument]}
    if unknown := modifiers.keys() - {"$each"}:
        raise _bad_value(f"Found unexpected fields after $each in $addToSet: {unknown.pop()}")
    array = _array(old, "$addToSet")
    known = {identity(element) for element in array}
    added = {identity(element): element for element in _each(modifiers, "$addToSet")}
    return [*array, *(element for key, element in added.items() if key not in known)]


def _pull(old: Any, condition: Any) -> Any:
    if isinstance(condition, dict):
        return _kept(old, "$pull", lambda element: not matches_element(condition, element))
    return _kept(old, "$pull", lambda element: not same(element, condition))


def _pull_all(old: Any, values: Any) -> Any:
    if not isinstance(values, list):
        raise _bad_value("$pullAll requires an array argument")
    unwanted = {identity(value) for value in values}
    return _kept(old, "$pullAll", lambda element: identity(element) not in unwanted)


def _pop(old: Any, direction: Any) -> Any:
    if direction not in (1, -1):
        raise CommandError(ErrorCode.FailedToParse, f"$pop expects 1 or -1, found: {direction}")
    if old is MISSING:
        return MISSING
    if not isinstance(old, list):
        raise CommandError(
            ErrorCode.TypeMismatch, "Path contains element of non-array type in $pop"
        )
    return old[:-1] if direction == 1 else old[1:]


def _bitwise(old: Any, argument: Any) -> Any:
    operations = {"and": operator.and_, "or": operator.or_, "xor": operator.xor}
    result = 0 if old is MISSING else old
    if not isinstance(argument, dict) or not argument.keys() <= operations.keys():
        raise _bad_value("$bit takes an object of 'and', 'or' and 'xor'")
    for name, operand in argument.items():
        if any(isinstance(v, bool) or not isinstance(v, int) for v in (result, operand)):
            raise _bad_value("Cannot apply $bit to a value of non-integral type")
        result = _as_wide_as(result, operand, operations[name](int(result), int(operand)))
    return result


# In the order of MongoDB's manual. `$rename` moves between two paths and `$setOnInsert` applies
# to inserts alone: both are in `update.py`.
OPERATORS: Final[dict[str, Operator]] = {
    "$currentDate": _current_date,
    "$inc": _increment,
    "$min": _minimum,
    "$max": _maximum,
    "$mul": _multiply,
    "$set": set_value,
    "$unset": _unset,
    "$addToSet": _add_to_set,
    "$pop": _pop,
    "$pull": _pull,
    "$push": _push,
    "$pullAll": _pull_all,
    "$bit": _bitwise,
}


def _arithmetic(name: str, function: Operator, old: Any, operand: Any) -> Any:
    for value in (operand, old):
        if not is_number(value):
            raise CommandError(
                ErrorCode.TypeMismatch,
                f"Cannot apply {name} to a value of non-numeric type {type_name(value)}",
            )
    if isinstance(old, Decimal128) or isinstance(operand, Decimal128):
        with localcontext(create_decimal128_context()):
            return Decimal128(function(_decimal(old), _decimal(operand)))
    if isinstance(old, float) or isinstance(operand, float):
        return function(float(old), float(operand))
    return _as_wide_as(old, operand, function(int(old), int(operand)))


def _decimal(value: Any) -> Decimal:
    return value.to_decimal() if isinstance(value, Decimal128) else Decimal(str(value))


def _as_wide_as(left: int, right: int, result: int) -> int:
    if result not in _INT64_RANGE:
        raise _bad_value(f"The result {result} does not fit into 64 bits")
    wide = isinstance(left, Int64) or isinstance(right, Int64) or result not in _INT32_RANGE
    return Int64(result) if wide else result


def _has_each(argument: Any) -> bool:
    return isinstance(argument, dict) and "$each" in argument


def _each(modifiers: dict[str, Any], name: str) -> list[Any]:
    if not isinstance(added := modifiers["$each"], list):
        raise CommandError(
            ErrorCode.BadValue if name == "$push" else ErrorCode.TypeMismatch,
            f"The argument to $each in {name} must be an array but it was of type "
            f"{type_name(added)}",
        )
    return added


def _array(old: Any, name: str) -> list[Any]:
    if old is MISSING:
        return []
    if not isinstance(old, list):
        raise _bad_value(f"{name} needs an array but the field is of type {type_name(old)}")
    return old


def _kept(old: Any, name: str, wanted: Callable[[Any], bool]) -> Any:
    if old is MISSING:
        return MISSING
    return [element for element in _array(old, name) if wanted(element)]


def _integer(value: Any, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float) or value % 1:
        raise _bad_value(f"The value for {name} must be an integer value")
    return int(value)


def _sorted(elements: list[Any], sort: Any) -> list[Any]:
    if not isinstance(sort, dict):
        return ordered_values(elements, sort)
    # A pattern such as {"start_ms": 1} applies to documents; a plain value has no such field.
    wrapped = [{"element": element} for element in elements]
    pattern = {f"element.{path}": direction for path, direction in sort.items()}
    return [item["element"] for item in ordered(wrapped, pattern)]


def _bad_value(message: str) -> CommandError:
    return CommandError(ErrorCode.BadValue, message)
