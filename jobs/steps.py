"""The four steps of an attempt, and the states that each takes, holds and leaves."""

from dataclasses import dataclass

from jobs.models import AttemptState


@dataclass(frozen=True)
class Step:
    """A worker claims an attempt in `takes`, works while it is in `holds`, and leaves it."""

    name: str
    takes: AttemptState
    holds: AttemptState
    leaves: AttemptState
    repeatable: bool
    """Done twice, it does no harm: after a crash the same attempt goes on."""


PREPARE = Step("prepare", AttemptState.QUEUED, AttemptState.PREPARING, AttemptState.PREPARED, True)
DISPATCH = Step(
    "dispatch", AttemptState.PREPARED, AttemptState.DISPATCHING, AttemptState.RUNNING, False
)
COLLECT = Step(
    "collect", AttemptState.REPORTED, AttemptState.COLLECTING, AttemptState.COLLECTED, True
)
FINALIZE = Step(
    "finalize", AttemptState.COLLECTED, AttemptState.FINALIZING, AttemptState.COMPLETED, True
)
STEPS = (PREPARE, DISPATCH, COLLECT, FINALIZE)
HOLDING = {step.holds: step for step in STEPS}
