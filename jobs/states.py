"""What the states of jobs and attempts mean: the tables that everything else is derived from.

`docs/states.md` draws them. Names of states are typed here and nowhere else: Python takes them from
the enumerations, SQL as literals from `literals`, for a partial index is not used for parameters.
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
FAILED_QUEUE = "jobs.failed"


@dataclass(frozen=True)
class Step:
    """A worker claims an attempt in `takes`, works while it is in `holds`, and leaves it."""

    name: str
    takes: AttemptState
    holds: AttemptState
    leaves: AttemptState
    queue: str | None
    """Where it is woken; None: on the queue of the job's feature."""
    repeatable: bool
    """Done twice, it does no harm: after a crash the same attempt goes on."""


_A = AttemptState

PREPARE = Step("prepare", _A.QUEUED, _A.PREPARING, _A.PREPARED, None, True)
DISPATCH = Step("dispatch", _A.PREPARED, _A.DISPATCHING, _A.RUNNING, None, False)
COLLECT = Step("collect", _A.REPORTED, _A.COLLECTING, _A.COLLECTED, COMPLETED_QUEUE, True)
FINALIZE = Step("finalize", _A.COLLECTED, _A.FINALIZING, _A.COMPLETED, COMPLETED_QUEUE, True)
STEPS = (PREPARE, DISPATCH, COLLECT, FINALIZE)


@dataclass(frozen=True)
class State:
    """What is so of an attempt in a state, besides what its steps say."""

    in_pool: bool = False
    """It fills a place of its GPU class."""
    may_run: bool = False
    """Its call may run: it can report, and is stopped when the attempt ends."""
    may_write: bool = False
    """Objects that its call puts are expected."""
    cancellable: bool = False
    """A cancel, a requeue or a deadline may end it; else its result is being delivered."""
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
    # An error is stored, and the orchestrator has yet to decide: it may be tried again. Nothing
    # runs, and it may wait here for the end of an outage, so it occupies no place.
    _A.ERRORED: State(cancellable=True, colour="red"),
    _A.COMPLETED: State(colour="green"),
    _A.FAILED: State(colour="red"),
    _A.CANCELLED: State(colour="brown"),
}

# --- What follows from the tables -------------------------------------------------------------

CLAIMED = tuple(step.holds for step in STEPS)
IN_POOL = tuple(state for state, its in STATES.items() if its.in_pool)
MAY_RUN = tuple(state for state, its in STATES.items() if its.may_run)
MAY_WRITE = tuple(state for state, its in STATES.items() if its.may_write)
DELIVERING = tuple(
    state for state, its in STATES.items() if not its.cancellable and state.value not in ENDED
)
HAS_OUTCOME = (_A.REPORTED, *DELIVERING)
"""The call has succeeded: the run deadline is over, the delivery deadline runs."""
NOT_STARTED = tuple(state for state in IN_POOL if state not in MAY_RUN)
"""No call has been started for the attempt: nothing may report for it."""
WITHOUT_MACHINE = (*IN_POOL, _A.ERRORED)
"""Before its call has started, an attempt in these states is shown as waiting for a machine."""

TAKING = {step.takes: step for step in STEPS}
HOLDING = {step.holds: step for step in STEPS}
FEATURE_STATES = tuple(step.takes for step in STEPS if step.queue is None)
"""Woken on the feature's own queue."""
COMPLETED_STATES = tuple(step.takes for step in STEPS if step.queue == COMPLETED_QUEUE)


def chain_of(state: AttemptState) -> tuple[Step, ...]:
    """The steps that an attempt which waits in a state is woken for, one after the other."""
    step = TAKING.get(state)
    return (step, *chain_of(step.leaves)) if step else ()


def moves() -> set[tuple[AttemptState, AttemptState]]:
    """Every move of an attempt from a state to another."""
    found = {(a, b) for a in MAY_RUN for b in (_A.REPORTED, _A.ERRORED)}
    for step in STEPS:
        # It is done, put back after an outage, marked as errored, or failed by its own task.
        after = (step.leaves, step.takes, _A.ERRORED, _A.FAILED)
        found |= {(step.takes, step.holds), *((step.holds, state) for state in after)}
        # Who has done it goes on with the next one, or to the end where nothing is to be delivered.
        found |= {(step.holds, later.holds) for later in chain_of(step.leaves)}
    found.add((COLLECT.holds, _A.COMPLETED))
    found.add((FINALIZE.takes, _A.FAILED))  # it was not delivered in time
    ends = (_A.FAILED, _A.CANCELLED)
    return found | {(a, b) for a, its in STATES.items() if its.cancellable for b in ends}


class ShownStatus(TextChoices):
    """A job's status for clients: `pending` waits for its turn, `queued` for a machine."""

    PENDING = JobStatus.PENDING.value
    QUEUED = AttemptState.QUEUED.value
    PROCESSING = JobStatus.PROCESSING.value
    COMPLETED = JobStatus.COMPLETED.value
    FAILED = JobStatus.FAILED.value
    CANCELLED = JobStatus.CANCELLED.value


COLOURS: Mapping[str, Colour] = {
    **{state.value: its.colour for state, its in STATES.items()},
    JobStatus.PENDING.value: "grey",
    JobStatus.PROCESSING.value: "blue",
}
"""Of attempts' states and jobs' statuses; the ends of both are the same."""


def literals() -> dict[str, str]:
    """Each state, and each set of states that SQL asks for, by name, as SQL writes it."""
    sets: dict[str, Collection[AttemptState | JobStatus]] = {
        "OPEN": OPEN,
        "ENDED": ENDED,
        "IN_POOL": IN_POOL,
        "CLAIMED": CLAIMED,
        "HAS_OUTCOME": HAS_OUTCOME,
        "MAY_RUN": MAY_RUN,
    }
    every = {state.name: f"'{state.value}'" for state in (*AttemptState, *JobStatus)}
    every["MEDIA_CLASS"] = f"'{MEDIA_CLASS}'"
    return every | {name: f"({', '.join(every[one.name] for one in sets[name])})" for name in sets}
