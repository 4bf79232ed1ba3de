"""What an installation sets of its contracts, by its environment: ``FEATURE_GPUS=tts=T4``.

Whoever has contracts reads the same variables: our processes, the deploy to Modal, its containers,
to which the deploy hands them on, and the sandboxes of engines. What they mean: docs/features.md.
"""

import os
import re
from collections.abc import Collection, Mapping
from typing import Any

from gpu_tasks.runtime.errors import AuteurError

AT_ONCE = "FEATURE_AT_ONCE"
GPUS = "FEATURE_GPUS"
MODELS = "FEATURE_MODELS"
TIME_LIMITS = "FEATURE_TIME_LIMITS"
GPU_LIMITS = "GPU_LIMITS"
VARIABLES = (AT_ONCE, GPUS, MODELS, TIME_LIMITS)

MAX_AT_ONCE = 1000
MAX_GPU_LIMIT = 10_000
MIN_TIME_LIMIT_SECONDS = 10
MAX_TIME_LIMIT_SECONDS = 12 * 3600
"""Half of Modal's own limit: all attempts of a job must have ended while what they wrote is still
kept without a row (`media.storage.LONGEST_WRITE`)."""
MODEL = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*@[0-9a-f]{40}", re.ASCII)


class InvalidOverrideError(AuteurError):
    """A variable says what cannot be; the text names it, and what is allowed."""


def parse_pairs(variable: str, given: str) -> dict[str, str]:
    """``name=value,name=value`` by name; raises ``InvalidOverrideError``."""
    found: dict[str, str] = {}
    for part in filter(None, map(str.strip, given.split(","))):
        name, _, value = map(str.strip, part.partition("="))
        if not (name and value):
            raise InvalidOverrideError(f"{variable} has {part!r}: write name=value,name=value.")
        if name in found:
            raise InvalidOverrideError(f"{variable} names {name} twice.")
        found[name] = value
    return found


def list_variables() -> dict[str, str]:
    """The variables that are set, for those who run a function elsewhere."""
    return {name: os.environ[name] for name in VARIABLES if os.environ.get(name)}


def overrides_of(
    function: str, *, models: Mapping[str, str], gpus: Collection[str]
) -> dict[str, Any]:
    """What is set of a function, by the fields of its contract.

    ``models`` are its own by their roles, ``gpus`` what it may run on. Raises
    ``InvalidOverrideError``.
    """
    found: dict[str, Any] = {}
    if given := _pairs(AT_ONCE).get(function):
        found["at_once"] = _whole(AT_ONCE, function, given, range(1, MAX_AT_ONCE + 1))
    if given := _pairs(TIME_LIMITS).get(function):
        seconds = range(MIN_TIME_LIMIT_SECONDS, MAX_TIME_LIMIT_SECONDS + 1)
        found["time_limit_seconds"] = _whole(TIME_LIMITS, function, given, seconds)
    if given := _pairs(GPUS).get(function):
        found["gpu"] = _known(GPUS, given, gpus, whose=f"gives {function} a GPU")
    if others := _models(function, models):
        found["models"] = {**models, **others}
    return found


def gpu_limits(classes: Collection[str]) -> dict[str, int]:
    """How many calls of a class of GPUs are in flight at most, where it is set.

    Raises ``InvalidOverrideError``, also for a class that is none of these.
    """
    allowed = range(1, MAX_GPU_LIMIT + 1)
    return {
        _known(GPU_LIMITS, name, classes): _whole(GPU_LIMITS, name, given, allowed)
        for name, given in _pairs(GPU_LIMITS).items()
    }


def check_names(functions: Collection[str]) -> None:
    """Raise ``InvalidOverrideError`` where a variable is about a function that is not there."""
    for variable in VARIABLES:
        for name in _pairs(variable):
            function = name.partition(".")[0] if variable == MODELS else name
            _known(variable, function, sorted(functions))


def _pairs(variable: str) -> dict[str, str]:
    return parse_pairs(variable, os.environ.get(variable, ""))


def _known(variable: str, given: str, known: Collection[str], *, whose: str = "names") -> str:
    if given not in known:
        allowed = f"use {', '.join(known)}" if known else "there is none"
        raise InvalidOverrideError(f"{variable} {whose} {given}: {allowed}.")
    return given


def _whole(variable: str, function: str, given: str, allowed: range) -> int:
    if not (given.isdecimal() and int(given) in allowed):
        raise InvalidOverrideError(
            f"{variable} sets {function} to {given}: "
            f"use a whole number from {allowed[0]} to {allowed[-1]}."
        )
    return int(given)


def _models(function: str, own: Mapping[str, str]) -> dict[str, str]:
    """Other models of a function, by their roles: ``tts.asr=openai/whisper-tiny@<commit>``."""
    roles = [f"{function}.{role}" for role in own]
    found = {}
    for name, model in _pairs(MODELS).items():
        if name.partition(".")[0] == function:
            role = _known(MODELS, name, roles).removeprefix(f"{function}.")
            if not MODEL.fullmatch(model):
                raise InvalidOverrideError(
                    f"{MODELS} sets {name} to {model}: use owner/name@commit, 40 digits of it."
                )
            found[role] = model
    return found
