"""The memory that children of several processes take together."""

import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from gpu_tasks.runtime import memory_budget, sandbox
from gpu_tasks.runtime.confinement import MIB, Limits
from gpu_tasks.runtime.memory_budget import (
    CHILD_BYTES,
    UNIT_BYTES,
    MemoryBudget,
    MemoryBusyError,
)
from gpu_tasks.runtime.sandbox import Limit, SandboxExceededError
from tests.waiting import until

LIMITS = Limits(memory_bytes=2 * UNIT_BYTES, cpu_seconds=10, wall_seconds=30.0)
CHILD = CHILD_BYTES + 2 * UNIT_BYTES
HOLDING = """
import sys, time
from pathlib import Path
from gpu_tasks.runtime.confinement import Limits
from gpu_tasks.runtime.memory_budget import MemoryBudget
budget = MemoryBudget(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[2]))
held = budget.try_reserve(Limits(memory_bytes=int(sys.argv[3])))
print(held is not None, flush=True)
time.sleep(60)
"""


def test_no_more_is_reserved_than_there_is(tmp_path: Path) -> None:
    budget = MemoryBudget(tmp_path, 2 * CHILD + UNIT_BYTES, CHILD)
    first, second = budget.try_reserve(LIMITS), budget.try_reserve(LIMITS)
    assert first is not None
    assert second is not None
    assert first.size_bytes == second.size_bytes == CHILD
    assert budget.try_reserve(LIMITS) is None
    assert second.grow(CHILD + UNIT_BYTES)
    with pytest.raises(MemoryBusyError):
        second.grow(CHILD + UNIT_BYTES + 1)
    first.release()
    first.release()
    assert second.grow(2 * CHILD + UNIT_BYTES)
    assert not second.grow(2 * CHILD + UNIT_BYTES + 1)
    assert budget.try_reserve(LIMITS) is None
    second.release()
    assert budget.try_reserve(LIMITS) is not None


def test_a_child_begins_with_what_it_may_take_or_less(tmp_path: Path) -> None:
    budget = MemoryBudget(tmp_path, 2 * CHILD, CHILD)
    small = replace(LIMITS, memory_bytes=UNIT_BYTES)
    large = replace(LIMITS, memory_bytes=None)
    sizes = [UNIT_BYTES + CHILD_BYTES, CHILD, CHILD]
    for limits, size_bytes in zip((small, LIMITS, large), sizes, strict=True):
        with budget.reserve(limits) as reservation:
            assert reservation.size_bytes == size_bytes


def test_a_process_that_is_killed_holds_nothing(tmp_path: Path) -> None:
    budget = MemoryBudget(tmp_path, CHILD, CHILD)
    arguments = [str(tmp_path), str(CHILD), str(LIMITS.memory_bytes)]
    with subprocess.Popen(
        [sys.executable, "-c", HOLDING, *arguments], stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"True\n"
        assert budget.try_reserve(LIMITS) is None
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        assert budget.try_reserve(LIMITS) is not None


def test_it_is_waited_for_as_long_as_allowed(tmp_path: Path) -> None:
    budget = MemoryBudget(tmp_path, CHILD, CHILD, wait_seconds=0.1)
    with budget.reserve(LIMITS), pytest.raises(MemoryBusyError):
        budget.reserve(LIMITS)
    with budget.reserve(LIMITS):
        pass


LARGE = replace(LIMITS, memory_bytes=1024 * MIB, programs=True)


@pytest.fixture
def budget(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MemoryBudget:
    """Return the budget of this process: children begin with 64 MiB of 256."""
    budget = MemoryBudget(tmp_path, 256 * MIB, 64 * MIB)
    monkeypatch.setattr(memory_budget, "_budget", budget)
    return budget


def allocate(size: int, seconds: float, name: str = "allocate_and_wait") -> object:
    arguments = {"size": size, "seconds": seconds}
    return sandbox.run(f"tests.gpu_tasks.confined_calls:{name}", arguments, limits=LARGE)


def test_a_child_grows_within_the_budget_and_not_beyond(budget: MemoryBudget) -> None:
    assert allocate(150 * MIB, 0.5) == 150 * MIB
    with pytest.raises(SandboxExceededError) as caught:
        allocate(400 * MIB, 20.0)
    assert caught.value.limit == Limit.MEMORY
    with budget.reserve(replace(LIMITS, memory_bytes=0)):
        pass


def test_a_child_that_grows_while_others_have_the_memory_ends(budget: MemoryBudget) -> None:
    with budget.reserve(LIMITS), budget.reserve(LIMITS), budget.reserve(LIMITS):
        with pytest.raises(MemoryBusyError):
            allocate(150 * MIB, 20.0)


def test_what_a_child_starts_is_counted(budget: MemoryBudget) -> None:
    before = set(psutil.Process().children(recursive=True))
    with pytest.raises(SandboxExceededError) as caught:
        allocate(400 * MIB, 20.0, "start_one_that_allocates")
    assert caught.value.limit == Limit.MEMORY
    until(lambda: before >= set(psutil.Process().children(recursive=True)), seconds=20)


def test_where_memory_runs_out_the_kernel_ends_children_first() -> None:
    function = "tests.gpu_tasks.confined_calls:oom_score_adjustment"
    assert sandbox.run(function, {}, limits=LIMITS) == 1000
