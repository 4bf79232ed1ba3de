"""Who may have a sandboxed child next: users in turn, for a moment, within one budget."""

import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from auteur.core.work.sandbox_queue import FilesBusyProblem, SandboxQueue
from gpu_tasks.runtime import memory_budget
from gpu_tasks.runtime.confinement import Limits
from gpu_tasks.runtime.memory_budget import CHILD_BYTES, MemoryBudget
from tests.waiting import until

LIMITS = Limits(memory_bytes=0)
A, B, C, D = (uuid.UUID(int=number) for number in range(1, 5))


class Requests:
    """Requests of users in threads, each of which holds its memory until it is let go."""

    def __init__(self, queue: SandboxQueue, pool: ThreadPoolExecutor) -> None:
        self.queue, self.pool = queue, pool
        self.served: list[uuid.UUID] = []
        self.let_go = {user: threading.Event() for user in (A, B, C, D)}

    def ask(self, user: uuid.UUID) -> "Future[None]":
        def hold() -> None:
            with self.queue.reserve(user, LIMITS):
                self.served.append(user)
                assert self.let_go[user].wait(20)

        return self.pool.submit(hold)

    def waits(self, count: int) -> bool:
        return len(self.queue._waiting) == count


@contextmanager
def requests(queue: SandboxQueue) -> Iterator[Requests]:
    with ThreadPoolExecutor(10) as pool:
        world = Requests(queue, pool)
        try:
            yield world
        finally:
            for event in world.let_go.values():
                event.set()


@pytest.fixture(autouse=True)
def room_for_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    budget = MemoryBudget(tmp_path, CHILD_BYTES, CHILD_BYTES)
    monkeypatch.setattr(memory_budget, "_budget", budget)


def test_who_was_served_longest_ago_is_next() -> None:
    with requests(SandboxQueue(running=4, waiting=3, seconds=20.0)) as world:
        for user in (A, B):  # B after A
            world.let_go[user].set()
            world.ask(user).result(20)
            world.let_go[user].clear()
        holder = world.ask(C)
        until(lambda: world.served == [A, B, C], 20)
        for number, user in enumerate((B, A, D), start=1):
            world.ask(user)
            until(partial(world.waits, number), 20)
        for user in (C, D, A, B):
            world.let_go[user].set()
        holder.result(20)
        until(lambda: world.served == [A, B, C, D, A, B], 20)


def test_four_users_in_a_loop_leave_a_fifth_its_turn() -> None:
    victim = uuid.UUID(int=9)
    queue = SandboxQueue(running=2, waiting=5, seconds=20.0)
    over = threading.Event()

    def loop(user: uuid.UUID) -> None:
        while not over.is_set():
            try:
                with queue.reserve(user, LIMITS):
                    over.wait(0.02)
            except FilesBusyProblem:
                over.wait(0.002)

    with ThreadPoolExecutor(4) as pool:
        loops = [pool.submit(loop, user) for user in (A, B, C, D)]
        try:
            until(lambda: len(queue._waiting) == 3, 20)
            for _ in range(20):
                with queue.reserve(victim, LIMITS):
                    pass
        finally:
            over.set()
    assert not any(future.exception() for future in loops)


def test_a_user_has_one_and_one_that_waits() -> None:
    with requests(SandboxQueue(running=4, waiting=3, seconds=20.0)) as world:
        world.ask(A)
        until(lambda: world.served == [A], 20)
        second = world.ask(A)
        until(partial(world.waits, 1), 20)
        with pytest.raises(FilesBusyProblem):
            world.ask(A).result(20)
        world.let_go[A].set()
        second.result(20)
        assert world.served == [A, A]


def test_a_full_line_gives_way_to_who_goes_first() -> None:
    with requests(SandboxQueue(running=4, waiting=1, seconds=20.0)) as world:
        world.let_go[A].set()
        world.ask(A).result(20)
        world.ask(B)
        until(lambda: world.served == [A, B], 20)
        late = world.ask(A)
        until(partial(world.waits, 1), 20)
        first = world.ask(C)
        with pytest.raises(FilesBusyProblem):
            late.result(20)
        with pytest.raises(FilesBusyProblem):
            world.ask(A).result(20)
        for event in world.let_go.values():
            event.set()
        first.result(20)
        assert world.served == [A, B, C]


def test_it_waits_no_longer_than_a_moment_and_leaves_nothing_behind() -> None:
    queue = SandboxQueue(running=4, waiting=3, seconds=0.05)
    with queue.reserve(A, LIMITS), pytest.raises(FilesBusyProblem), queue.reserve(B, LIMITS):
        pass
    with queue.reserve(B, LIMITS):
        pass
    assert not queue._waiting
    assert not queue._running


def test_so_many_run_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory_budget, "_budget", None)
    with requests(SandboxQueue(running=2, waiting=3, seconds=20.0)) as world:
        for user in (A, B, C):
            world.ask(user)
        until(lambda: len(world.served) == 2 and world.waits(1), 20)
        for event in world.let_go.values():
            event.set()
        until(lambda: len(world.served) == 3, 20)
