"""What a backend does: start calls, tell how they stand, stop them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from gpu_tasks.runtime.contract import Contract, Outcome, Payload
from gpu_tasks.runtime.errors import AuteurError


@dataclass(frozen=True)
class Call:
    """One call to start."""

    attempt_id: UUID
    contract: Contract
    engine: str
    queue: str
    payload: Payload


class CallState(StrEnum):
    """How a call stands, as its backend sees it."""

    QUEUED = "queued"
    RUNNING = "running"
    UNDER_WAY = "under_way"
    """Waiting or running: the backend does not tell which."""
    DONE = "done"
    LOST = "lost"


@dataclass(frozen=True)
class CallStatus:
    """``outcome`` is there when the state is `DONE`."""

    state: CallState
    outcome: Outcome | None = None
    sent_again: bool = False
    """It waits, and its message had to be sent once more: ask more and more rarely."""


class BackendUnavailableError(AuteurError):
    """The backend did not take the call, for certain; it may be offered again."""


class Backend(Protocol):
    """A place where calls run."""

    @property
    def poll_seconds(self) -> float:
        """When a call that has not called back is asked after again."""

    def spawn(self, calls: Sequence[Call]) -> dict[UUID, str]:
        """Start calls; return their ids by attempt.

        An attempt that is left out is lost: its call was refused, or may have been started although
        nobody answered. Raises ``BackendUnavailableError`` where no call was started, for certain.
        """

    def poll(self, call_ids: Collection[str]) -> dict[str, CallStatus]:
        """How these calls stand; one that the backend does not know is `LOST`.

        Raises ``BackendUnavailableError`` where nothing can be learnt.
        """

    def stop(self, call_ids: Collection[str]) -> set[str]:
        """End these calls, whether they run or wait; ended ones are no error.

        Returns those that were stopped; the others must be tried again. Raises
        ``BackendUnavailableError`` where all must be.
        """
