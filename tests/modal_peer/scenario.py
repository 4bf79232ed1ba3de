"""What the peer can make of a call, and the answers of Modal that belong to it."""

import os
import random
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from grpclib import GRPCError, Status
from modal._serialization import serialize, serialize_data_format
from modal_proto import api_pb2

Result = api_pb2.GenericResult
PICKLE_MARK = "MODAL_PEER_PICKLE_MARK"


class Scenario(StrEnum):
    """One way a call goes."""

    # The call is taken, and ends by itself
    SUCCESS = "success"  # a canned result, at once
    SLOW = "slow"  # the same, after a while
    REPORT = "report"  # the same, and told by the signed callback; nothing is run
    RUN = "run"  # the function really runs, in a process of its own
    GARBAGE = "garbage"  # a result that is no outcome
    PICKLE = "pickle"  # an outcome, and code to run, in Python's own format
    PICKLED_ERROR = "pickled_error"  # an exception, and code to run, in it
    USER_ERROR = "user_error"
    USER_TIMEOUT = "user_timeout"  # the builtin error by which the client says "not ready"
    CUDA_OOM = "cuda_oom"
    EXIT = "exit"  # the function left by SystemExit
    OOM = "oom"
    FUNCTION_TIMEOUT = "function_timeout"
    INTERNAL_FAILURE = "internal_failure"
    CRASH = "crash"  # the container never came up
    # The call is taken, and does not
    EXPIRED = "expired"
    NEVER = "never"
    # The call is taken, and its caller does not hear of it
    LOST_REPLY = "lost_reply"  # the client asks again and hears
    LOST_REPLIES = "lost_replies"  # and never hears
    SILENCE = "silence"  # the connection stays open and nothing comes
    LATE_REPLY = "late_reply"  # the function runs, its caller hears of it after it has given up
    # The call is not taken; as the peer's default, nothing else is answered either
    RESOURCE_EXHAUSTED = "resource_exhausted"
    AUTH_ERROR = "auth_error"
    FUNCTION_MISSING = "function_missing"
    UNAVAILABLE = "unavailable"


REFUSALS = {
    Scenario.RESOURCE_EXHAUSTED: (Status.RESOURCE_EXHAUSTED, "too many inputs"),
    Scenario.AUTH_ERROR: (Status.UNAUTHENTICATED, "token not accepted"),
    Scenario.FUNCTION_MISSING: (Status.NOT_FOUND, "no such function"),
    Scenario.UNAVAILABLE: (Status.UNAVAILABLE, "come back later"),
}
REPORTED_SCENARIOS = {Scenario.REPORT, Scenario.RUN, Scenario.LATE_REPLY}
UNHEARD_SCENARIOS = {Scenario.LOST_REPLY, Scenario.LOST_REPLIES, Scenario.SILENCE}
PICKLED_SCENARIOS = {Scenario.PICKLE, Scenario.PICKLED_ERROR}
ENDLESS_SCENARIOS = {Scenario.NEVER, Scenario.EXPIRED}

RESULTS: dict[str, dict[str, Any]] = {
    "transcription": {
        "language": "en",
        "duration_ms": 1000,
        "segments_count": 0,
        "words_count": 0,
    }
}
"""Canned results by function; where there is none, an empty one."""


def refusal(scenario: Scenario) -> GRPCError:
    """The error by which such a call is not taken."""
    return GRPCError(*REFUSALS[scenario])


def canned_outcome(function: str) -> dict[str, Any]:
    """A result, as our functions return it."""
    engine = {"name": "draft", "model": "peer"}
    return {"result": RESULTS.get(function, {}), "engine": engine, "seconds": 0.0}


def success(value: object) -> Result:
    """The function returned ``value``."""
    data = serialize_data_format(value, api_pb2.DATA_FORMAT_CBOR)
    return Result(status=Result.GENERIC_STATUS_SUCCESS, data=data)


def raised(exc: BaseException) -> Result:
    """The function, which answers in CBOR, raised ``exc``: it travels in words only."""
    return Result(
        status=Result.GENERIC_STATUS_FAILURE,
        exception=repr(exc),
        traceback="Traceback of the container",
    )


class Touch:
    """Unpickled, it makes a file: ``PICKLE_MARK`` names it."""

    def __reduce__(self) -> tuple[Callable[[Path], object], tuple[Path]]:
        return (Path.touch, (Path(os.environ[PICKLE_MARK]),))


class OutOfMemoryError(RuntimeError):
    """Named like the error of torch."""


_ENDS: dict[Scenario, Callable[[], Result]] = {
    Scenario.GARBAGE: lambda: success({"words": "no outcome"}),
    Scenario.PICKLE: lambda: Result(
        status=Result.GENERIC_STATUS_SUCCESS, data=serialize({"result": {}, "more": Touch()})
    ),
    Scenario.PICKLED_ERROR: lambda: Result(
        status=Result.GENERIC_STATUS_FAILURE,
        exception="ValueError('a bug of ours')",
        data=serialize(ValueError(Touch())),
        serialized_tb=serialize(Touch()),
        tb_line_cache=serialize(Touch()),
    ),
    Scenario.USER_ERROR: lambda: raised(ValueError("a bug of ours")),
    Scenario.USER_TIMEOUT: lambda: raised(TimeoutError("the storage is slow")),
    Scenario.CUDA_OOM: lambda: raised(OutOfMemoryError("CUDA out of memory")),
    Scenario.EXIT: lambda: raised(SystemExit(3)),
    Scenario.OOM: lambda: _killed("KERNEL_OOM_KILL", "Container was killed: OOM"),
    Scenario.FUNCTION_TIMEOUT: lambda: _killed("TIMEOUT", "Task's input hit its timeout"),
    Scenario.INTERNAL_FAILURE: lambda: _killed("INTERNAL_FAILURE", "Worker lost"),
    Scenario.CRASH: lambda: _killed("INIT_FAILURE", "Container failed to start"),
}


def ended(scenario: Scenario, function: str) -> Result:
    """How a call of this scenario ends."""
    return _ENDS.get(scenario, lambda: success(canned_outcome(function)))()


def cancelled() -> Result:
    """The call was cancelled."""
    return _killed("TERMINATED", "Function call was cancelled")


def _killed(status: str, why: str) -> Result:
    value = Result.GenericStatus.Value(f"GENERIC_STATUS_{status}")
    return Result(status=value, exception=why)


@dataclass
class Script:
    """Which scenario the next call gets: those in ``upcoming`` first, then by share."""

    shares: dict[Scenario, float] = field(default_factory=lambda: {Scenario.SUCCESS: 1.0})
    upcoming: deque[Scenario] = field(default_factory=deque)

    @classmethod
    def read(cls, texts: Sequence[str]) -> "Script":
        """From ``name`` or ``name=share``; names without a share divide what is left."""
        named = dict(text.partition("=")[::2] for text in texts) or {"success": ""}
        rest = 1.0 - sum(float(share) for share in named.values() if share)
        blank = sum(not share for share in named.values())
        return cls({Scenario(name): float(share or rest / blank) for name, share in named.items()})

    def next(self) -> Scenario:
        """Take one."""
        if self.upcoming:
            return self.upcoming.popleft()
        return random.choices([*self.shares], [*self.shares.values()])[0]

    def runs(self, scenario: Scenario) -> bool:
        """Whether a call of this scenario runs or is reported.

        One that its caller does not hear of goes the way of the others.
        """
        unheard = scenario in UNHEARD_SCENARIOS and Scenario.RUN in self.shares
        return unheard or scenario in REPORTED_SCENARIOS

    @property
    def only(self) -> Scenario | None:
        """The one scenario of all calls, if there is one."""
        return next(iter(self.shares)) if len(self.shares) == 1 else None
