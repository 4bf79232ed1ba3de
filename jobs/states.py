"""Define the states of jobs and attempts: the tables from which everything else is derived.

`docs/states.md` draws them. Names of states are written here and nowhere else: Python takes them
from the enumerations, SQL as literals from `literals`, because a partial index is not used for
parameters.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

from django.db.models import TextChoices

Colour = Literal["grey", "blue", "green", "red", "brown"]

# --- Jobs -------------------------------------------------------------------------------------


class JobStatus(TextChoices):
    """`pending → processing → completed | failed | cancelled`."""

    PENDING = "pending"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


MEDIA_CLASS = "media"
"""The ``gpu_class`` of a pending job whose media is being checked. No pool has this name, so no
orchestrator admits the job; it gets its class with its price (docs/decisions/0064)."""

OPEN = (JobStatus.PENDING, JobStatus.PROCESSING)
ENDED = (JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED)
"""Attempts end in states of the same names."""


# --- Attempts ---------------------------------------------------------------------------------


class AttemptState(TextChoices):
    """Where an attempt stands; in the states that end in -ing a step's worker holds it."""

    QUEUED = "queued"
    PREPARING = "preparing"
    PREPARED = "prepared"
    DISPATCHING = "dispatching"
    RUNNING = "running"
    REPORTED = "reported"
    COLLECTING = "collecting"
    COLLECTED = "collected"
    FINALIZING = "finalizing"
    ERRORED = "errored"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


COMPLETED_QUEUE = "jobs.completed"


@dataclass(frozen=True)
class Step:
    """A step: a worker claims an attempt in `takes`, works in `holds`, and leaves to `leaves`."""

    name: str
    takes: AttemptState
    holds: AttemptState
    leaves: AttemptState
    queue: str | None
    """The queue of its wake-ups; None means the queue of the job's feature."""
    repeatable: bool
    """True if doing it twice does no harm: after a crash the same attempt continues."""


_A = AttemptState

PREPARE = Step("prepare", _A.QUEUED, _A.PREPARING, _A.PREPARED, None, True)
DISPATCH = Step("dispatch", _A.PREPARED, _A.DISPATCHING, _A.RUNNING, None, False)
COLLECT = Step("collect", _A.REPORTED, _A.COLLECTING, _A.COLLECTED, COMPLETED_QUEUE, True)
FINALIZE = Step("finalize", _A.COLLECTED, _A.FINALIZING, _A.COMPLETED, COMPLETED_QUEUE, True)
STEPS = (PREPARE, DISPATCH, COLLECT, FINALIZE)


@dataclass(frozen=True)
class State:
    """The properties of an attempt's state, besides those that follow from its steps."""

    in_pool: bool = False
    """It occupies capacity of its GPU class."""
    may_run: bool = False
    """Its call may run: it can report, and is stopped when the attempt ends."""
    may_write: bool = False
    """Its call may write objects."""
    cancellable: bool = False
    """A cancel, a requeue or a deadline may end it. Otherwise its result is being delivered."""
    colour: Colour = "blue"


STATES: Mapping[AttemptState, State] = {
    _A.QUEUED: State(in_pool=True, cancellable=True, colour="grey"),
    _A.PREPARING: State(in_pool=True, cancellable=True),
    _A.PREPARED: State(in_pool=True, cancellable=True, may_write=True),
    _A.DISPATCHING: State(in_pool=True, cancellable=True, may_write=True, may_run=True),
    _A.RUNNING: State(in_pool=True, cancellable=True, may_write=True, may_run=True),
    _A.REPORTED: State(cancellable=True),
    _A.COLLECTING: State(),
    _A.COLLECTED: State(),
    _A.FINALIZING: State(),
    # An error is stored, and the orchestrator has yet to decide whether to retry. Nothing runs, and
    # the attempt may wait here for the end of an outage, so it occupies no capacity.
    _A.ERRORED: State(cancellable=True, colour="red"),
    _A.COMPLETED: State(colour="green"),
    _A.FAILED: State(colour="red"),
    _A.CANCELLED: State(colour="brown"),
}

# --- Derived from the tables ------------------------------------------------------------------

CLAIMED = tuple(step.holds for step in STEPS)
IN_POOL = tuple(state for state, traits in STATES.items() if traits.in_pool)
MAY_RUN = tuple(state for state, traits in STATES.items() if traits.may_run)
MAY_WRITE = tuple(state for state, traits in STATES.items() if traits.may_write)
DELIVERING = tuple(
    state for state, traits in STATES.items() if not traits.cancellable and state.value not in ENDED
)
HAS_OUTCOME = (_A.REPORTED, *DELIVERING)
"""The call has succeeded: the run deadline is over, the delivery deadline runs."""
NOT_STARTED = tuple(state for state in IN_POOL if state not in MAY_RUN)
"""No call has been started for the attempt, so no call may report for it."""
WITHOUT_MACHINE = (*IN_POOL, _A.ERRORED)
"""Before its call has started, an attempt in these states is shown as waiting for a machine."""

TAKING = {step.takes: step for step in STEPS}
HOLDING = {step.holds: step for step in STEPS}
FEATURE_STATES = tuple(step.takes for step in STEPS if step.queue is None)
"""States that are woken on the feature's own queue."""
COMPLETED_STATES = tuple(step.takes for step in STEPS if step.queue == COMPLETED_QUEUE)


def chain_of(state: AttemptState) -> tuple[Step, ...]:
    """Return the steps for which an attempt in this state is woken, in order."""
    step = TAKING.get(state)
    return (step, *chain_of(step.leaves)) if step else ()


def list_transitions() -> set[tuple[AttemptState, AttemptState]]:
    """Return every transition of an attempt, as (state, next state)."""
    transitions = {(state, target) for state in MAY_RUN for target in (_A.REPORTED, _A.ERRORED)}
    for step in STEPS:
        # A step is done, requeued after an outage, marked as errored to be retried, or failed by
        # its task.
        targets = (step.leaves, step.takes, _A.ERRORED, _A.FAILED)
        transitions |= {(step.takes, step.holds), *((step.holds, state) for state in targets)}
        # The worker continues with the next step, or with the end if nothing is to be delivered.
        transitions |= {(step.holds, next_step.holds) for next_step in chain_of(step.leaves)}
    transitions.add((COLLECT.holds, _A.COMPLETED))
    transitions.add((FINALIZE.takes, _A.FAILED))  # It was not delivered in time.
    ends = (_A.FAILED, _A.CANCELLED)
    return transitions | {
        (state, target) for state, traits in STATES.items() if traits.cancellable for target in ends
    }


class ClientStatus(TextChoices):
    """A job's status for clients: `pending` waits for its turn, `queued` for a machine."""

    PENDING = JobStatus.PENDING.value
    QUEUED = AttemptState.QUEUED.value
    PROCESSING = JobStatus.PROCESSING.value
    COMPLETED = JobStatus.COMPLETED.value
    FAILED = JobStatus.FAILED.value
    CANCELLED = JobStatus.CANCELLED.value


COLOURS: Mapping[str, Colour] = {
    **{state.value: traits.colour for state, traits in STATES.items()},
    JobStatus.PENDING.value: "grey",
    JobStatus.PROCESSING.value: "blue",
}
"""Colours of attempts' states and jobs' statuses; the ends of both are the same."""


def literals() -> dict[str, str]:
    """Return each state, and each set of states that SQL uses, by name, as an SQL literal."""
    sets: dict[str, Collection[AttemptState | JobStatus]] = {
        "OPEN": OPEN,
        "ENDED": ENDED,
        "IN_POOL": IN_POOL,
        "CLAIMED": CLAIMED,
        "HAS_OUTCOME": HAS_OUTCOME,
        "MAY_RUN": MAY_RUN,
    }
    values = {state.name: f"'{state.value}'" for state in (*AttemptState, *JobStatus)}
    values["MEDIA_CLASS"] = f"'{MEDIA_CLASS}'"
    return values | {
        name: f"({', '.join(values[state.name] for state in sets[name])})" for name in sets
    }
