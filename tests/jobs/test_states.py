"""The table of states: nobody else types a state, and the page shows what it says."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.conf import settings

from jobs import lifecycle, sql
from jobs.models import Job
from jobs.states import (
    CLAIMED,
    COLLECT,
    DELIVERING,
    DISPATCH,
    ENDED,
    FINALIZE,
    HAS_OUTCOME,
    HOLDING,
    IN_POOL,
    MAY_RUN,
    PREPARE,
    STATES,
    TAKING,
    WITHOUT_MACHINE,
    AttemptState,
    JobStatus,
    chain_of,
    list_transitions,
)
from tests.jobs.walk import bring_to

PAGE = settings.BASE_DIR / "docs" / "states.md"
TYPED = re.compile(rf"['\"]({'|'.join({*AttemptState.values, *JobStatus.values})})['\"]")
MAY_TYPE = {
    "jobs/states.py",
    "jobs/integrations/webhooks/models.py",  # states of deliveries
    "jobs/integrations/management/commands/partners.py",  # counts requests, not jobs
    "jobs/integrations/partners/transports/redis.py",  # messages of a group are "pending"
    "jobs/integrations/streams/sinks/redis_admin.py",
    "benchmarks/streams.py",  # types of events
    "benchmarks/grown.py",  # rows made by SQL
    "benchmarks/plain.py",  # a baseline answers as we do
    "benchmarks/textbook.py",  # states of its own
    "benchmarks/drain.py",  # a report of the books tells what is "broken"
}


def sources() -> Iterator[Path]:
    for room in ("jobs", "credits", "benchmarks"):
        files = (settings.BASE_DIR / room).rglob("*")
        yield from (f for f in files if f.suffix in {".py", ".sql"} and "migrations" not in f.parts)
    yield from (settings.BASE_DIR / "auteur" / name for name in ("metrics.py", "admin.py"))


def test_states_are_typed_in_one_place() -> None:
    typed = [
        f"{name}: {line}"
        for file in sources()
        if (name := str(file.relative_to(settings.BASE_DIR))) not in MAY_TYPE
        for line in file.read_text().splitlines()
        if TYPED.search(line)
    ]
    assert typed == []


def test_every_state_has_a_place_in_the_table() -> None:
    assert set(STATES) == set(AttemptState)
    assert set(AttemptState) == {*WITHOUT_MACHINE, *HAS_OUTCOME, *ENDED}
    assert {*WITHOUT_MACHINE} - {*IN_POOL} == {AttemptState.ERRORED}
    assert {*HAS_OUTCOME} - {*DELIVERING} == {AttemptState.REPORTED}


def test_chains_follow_from_the_steps() -> None:
    assert chain_of(AttemptState.QUEUED) == (PREPARE, DISPATCH)
    assert chain_of(AttemptState.REPORTED) == (COLLECT, FINALIZE)
    assert chain_of(AttemptState.RUNNING) == ()


# --- The page -----------------------------------------------------------------------------------


def diagram() -> str:
    """Moves from many states to an end are drawn once, from the box around them."""
    order = list(AttemptState)
    all_moves = sorted(
        list_transitions(), key=lambda move: (order.index(move[0]), order.index(move[1]))
    )
    ends = (AttemptState.FAILED, AttemptState.CANCELLED)
    free = [state for state, its in STATES.items() if its.cancellable]
    inner = [(a, b) for a, b in all_moves if a in free and b in free]
    other = [(a, b) for a, b in all_moves if not (a in free and b in (*free, *ends))]
    lines = ["stateDiagram-v2", "    [*] --> cancellable", "    state cancellable {"]
    lines += ["        [*] --> queued", *(f"        {a} --> {b}" for a, b in inner), "    }"]
    lines += [f"    cancellable --> {state}" for state in ends]
    lines += [f"    {a} --> {b}" for a, b in other]
    lines += [f"    {state} --> [*]" for state in ENDED]
    return "\n".join(lines)


def table() -> str:
    lines = ["| state | woken on | for | held by | in pool | call may run | cancellable | colour |"]
    lines += ["|" + "---|" * 8]
    for state, its in STATES.items():
        step = TAKING.get(state)
        queue = (step.queue or "the feature's") if step else ""
        tasks = ", ".join(item.name for item in chain_of(state))
        marks = ["yes" if mark else "" for mark in (its.in_pool, its.may_run, its.cancellable)]
        attempts = HOLDING[state].name if state in CLAIMED else ""
        lines.append(f"| {' | '.join([state, queue, tasks, attempts, *marks, its.colour])} |")
    return re.sub(" +", " ", "\n".join(lines))


@pytest.mark.parametrize("part", [diagram(), table()], ids=["diagram", "table"])
def test_the_page_shows_the_table(part: str) -> None:
    assert part in PAGE.read_text()


# --- What happens -------------------------------------------------------------------------------


@pytest.mark.django_db
def test_what_can_be_cancelled_is_in_the_table(make_job: Callable[..., Job]) -> None:
    for state in set(STATES) - {AttemptState.ERRORED, *ENDED}:
        job = make_job()
        attempt = bring_to(job, state)
        try:
            lifecycle.cancel(job_id=job.pk, by="user")
        except lifecycle.JobFinishedProblem:
            assert not STATES[state].cancellable
        else:
            attempt.refresh_from_db()
            assert (state, attempt.state) in list_transitions()
            assert bool(attempt.stop_requested_at) == (state in MAY_RUN)


def test_nothing_is_left_to_fill_in() -> None:
    assert not [name for name, text in sql.STATEMENTS.items() if re.search(r"\{\w+\}", text)]
