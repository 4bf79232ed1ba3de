"""The interface of backends: start calls, report their status, stop them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from gpu_tasks.runtime.contract import Contract, Outcome, Payload
from gpu_tasks.runtime.errors import AuteurError


@dataclass(frozen=True)
class Call:
    """One call to be started."""

    attempt_id: UUID
    contract: Contract
    engine: str
    queue: str
    payload: Payload


class CallState(StrEnum):
    """The state of a call, as its backend knows it."""

    QUEUED = "queued"
    RUNNING = "running"
    UNDER_WAY = "under_way"
    """Waiting or running; the backend does not say which."""
    DONE = "done"
    LOST = "lost"


@dataclass(frozen=True)
class CallStatus:
    """The status of a call; ``outcome`` is set if the state is `DONE`."""

    state: CallState
    outcome: Outcome | None = None
    sent_again: bool = False
    """The call waits, and its message was sent again: poll it less and less often."""


class BackendUnavailableError(AuteurError):
    """The backend certainly did not take the call; it may be offered again."""


class Backend(Protocol):
    """A place where calls run."""

    @property
    def poll_seconds(self) -> float:
        """Return after how many seconds a call that has not called back is polled again."""

    def spawn(self, calls: Sequence[Call]) -> dict[UUID, str]:
        """Start calls; return their ids by attempt.

        An attempt that is left out is lost: its call was refused, or may have been started although
        there was no answer. Raises ``BackendUnavailableError`` if certainly no call was started.
        """

    def poll(self, call_ids: Collection[str]) -> dict[str, CallStatus]:
        """Return the status of each call; one that the backend does not know is `LOST`.

        Raises ``BackendUnavailableError`` if the backend does not answer for any call.
        """

    def stop(self, call_ids: Collection[str]) -> set[str]:
        """Stop these calls, whether they run or wait; ended calls are no error.

        Returns the calls that were stopped; the others must be tried again. Raises
        ``BackendUnavailableError`` if all must be.
        """
