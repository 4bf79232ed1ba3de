"""Settings of an installation that replace values of contracts, such as ``FEATURE_GPUS=tts=T4``.

All processes that have contracts read the same environment variables: ours, the deploy to Modal,
its containers (the deploy passes the variables on), and the sandboxes of engines. docs/features.md
describes them.
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
"""Half of Modal's own limit. All attempts of a job must end while their orphaned objects are still
kept (`media.storage.MAX_WRITE_LIFETIME`)."""
MODEL = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*@[0-9a-f]{40}", re.ASCII)


class InvalidOverrideError(AuteurError):
    """A variable has an impossible value; the text names it and the allowed values."""


def parse_pairs(variable: str, text: str) -> dict[str, str]:
    """Parse ``name=value,name=value`` to a dict; raises ``InvalidOverrideError``."""
    pairs: dict[str, str] = {}
    for part in filter(None, map(str.strip, text.split(","))):
        name, _, value = map(str.strip, part.partition("="))
        if not (name and value):
            raise InvalidOverrideError(f"{variable} has {part!r}: write name=value,name=value.")
        if name in pairs:
            raise InvalidOverrideError(f"{variable} names {name} twice.")
        pairs[name] = value
    return pairs


def list_variables() -> dict[str, str]:
    """Return the variables that are set, to pass them on to other machines."""
    return {name: os.environ[name] for name in VARIABLES if os.environ.get(name)}


def read_overrides(
    function: str, *, models: Mapping[str, str], gpus: Collection[str]
) -> dict[str, Any]:
    """Return the settings of a function, by the fields of its contract.

    ``models`` are the function's models by role, ``gpus`` the GPU classes it may use. Raises
    ``InvalidOverrideError``.
    """
    settings: dict[str, Any] = {}
    if value := _read_pairs(AT_ONCE).get(function):
        settings["at_once"] = _parse_integer(AT_ONCE, function, value, range(1, MAX_AT_ONCE + 1))
    if value := _read_pairs(TIME_LIMITS).get(function):
        seconds = range(MIN_TIME_LIMIT_SECONDS, MAX_TIME_LIMIT_SECONDS + 1)
        settings["time_limit_seconds"] = _parse_integer(TIME_LIMITS, function, value, seconds)
    if value := _read_pairs(GPUS).get(function):
        settings["gpu"] = _check_name(GPUS, value, gpus, action=f"gives {function} a GPU")
    if replacements := _read_models(function, models):
        settings["models"] = {**models, **replacements}
    return settings


def read_gpu_limits(classes: Collection[str]) -> dict[str, int]:
    """Return the limits of calls in flight that are set, by GPU class.

    Raises ``InvalidOverrideError``, also for a class that is not in ``classes``.
    """
    allowed = range(1, MAX_GPU_LIMIT + 1)
    return {
        _check_name(GPU_LIMITS, name, classes): _parse_integer(GPU_LIMITS, name, value, allowed)
        for name, value in _read_pairs(GPU_LIMITS).items()
    }


def check_names(functions: Collection[str]) -> None:
    """Raise ``InvalidOverrideError`` if a variable names a function that does not exist."""
    for variable in VARIABLES:
        for name in _read_pairs(variable):
            function = name.partition(".")[0] if variable == MODELS else name
            _check_name(variable, function, sorted(functions))


def _read_pairs(variable: str) -> dict[str, str]:
    return parse_pairs(variable, os.environ.get(variable, ""))


def _check_name(variable: str, name: str, names: Collection[str], *, action: str = "names") -> str:
    if name not in names:
        allowed = f"use {', '.join(names)}" if names else "there is none"
        raise InvalidOverrideError(f"{variable} {action} {name}: {allowed}.")
    return name


def _parse_integer(variable: str, function: str, value: str, allowed: range) -> int:
    if not (value.isdecimal() and int(value) in allowed):
        raise InvalidOverrideError(
            f"{variable} sets {function} to {value}: "
            f"use a whole number from {allowed[0]} to {allowed[-1]}."
        )
    return int(value)


def _read_models(function: str, models: Mapping[str, str]) -> dict[str, str]:
    """Return the models that replace a function's own, by role.

    The setting is ``tts.asr=openai/whisper-tiny@<commit>``.
    """
    roles = [f"{function}.{role}" for role in models]
    replacements = {}
    for name, model in _read_pairs(MODELS).items():
        if name.partition(".")[0] == function:
            role = _check_name(MODELS, name, roles).removeprefix(f"{function}.")
            if not MODEL.fullmatch(model):
                raise InvalidOverrideError(
                    f"{MODELS} sets {name} to {model}: use owner/name@commit, 40 digits of it."
                )
            replacements[role] = model
    return replacements
