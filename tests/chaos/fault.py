"""What a fault is."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.chaos import strikes
from tests.chaos.stack import ChaosStack
from tests.chaos.workload import MIXED, Kind


@dataclass(frozen=True)
class Fault:
    """A strike while jobs come in, or something that is wrong from the first job on."""

    name: str
    strike: Callable[[ChaosStack], float] = strikes.nothing
    begin: Callable[[ChaosStack], None] = lambda stack: None
    settle: float = 45.0
    """Seconds in which all must have ended after it."""
    backend: str = ""
    """The one that it is for, if not for all."""
    broker: str = ""
    """Likewise."""
    sink: str = ""
    """Likewise."""
    storage: str = ""
    """Likewise; those for all run on the first."""
    kinds: tuple[Kind, ...] = MIXED
    submission_seconds: float = 3.0
    """Over which the jobs are submitted."""
    is_harmless: bool = False
    """Nothing dies of it, so no attempt may be given up."""
    find_complaints: Callable[[ChaosStack, str], Sequence[str]] = lambda stack, user_id: ()
    """What is wrong besides, for the user with this id, once all has ended."""
    find_obstacle: Callable[[], str] = lambda: ""
    """Why this machine cannot run it; empty if it can."""
