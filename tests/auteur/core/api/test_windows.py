"""Windows of several processes at one Redis: what each lets pass, and what all hear of."""

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis

from auteur.core.api import windows
from auteur.core.api.windows import Windows, WindowState
from tests.waiting import until

MINUTE = 60


@pytest.fixture
def who() -> str:
    return f"test:{uuid.uuid4()}"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[float], None]]:
    """Move our clock on, not that of Redis."""
    passed = [0.0]
    monotonic = time.monotonic
    monkeypatch.setattr(windows.time, "monotonic", lambda: monotonic() + passed[0])

    def move(seconds: float) -> None:
        passed[0] += seconds

    return move  # type: ignore[return-value]


@pytest.fixture
def no_redis(settings: Any) -> Iterator[None]:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    windows.script.cache_clear()
    yield
    windows.script.cache_clear()


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is settled but by requests."""
    monkeypatch.setattr(windows, "SYNC_SECONDS", 3600.0)


def spend(process: Windows, who: str, amount: int, times: int, seconds: int = MINUTE) -> int:
    """How many of so many tries were let through."""
    hits = [process.hit(who, amount=amount, seconds=seconds) for _ in range(times)]
    return sum(hit.is_allowed for hit in hits)


@pytest.mark.parametrize("amount", [1, 2, 3, 10, 100])
def test_one_process_counts_exactly(who: str, amount: int) -> None:
    process = Windows()
    assert spend(process, who, amount, amount) == amount
    assert process.hit(who, amount=amount, seconds=MINUTE) == WindowState(
        False, 0, pytest.approx(MINUTE, abs=1)
    )


def test_threads_of_one_process_count_exactly(who: str) -> None:
    process, gate, let_through = Windows(), threading.Barrier(8), []

    def ask() -> None:
        gate.wait()
        let_through.append(spend(process, who, 100, 25))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(let_through) == 100


def test_processes_hear_of_each_other(who: str) -> None:
    one, other = Windows(), Windows()
    assert spend(one, who, 10, 6) == 6
    assert one.synchronize()
    assert spend(other, who, 10, 10) == 4 + 1  # half of the ten were free, and five of them taken


@pytest.mark.parametrize("processes", [2, 3, 5])
def test_what_several_processes_let_through_is_bounded(
    who: str, quiet: None, processes: int
) -> None:
    """The limit, and half of it for each process but one; then nothing, until it has come back."""
    amount, several = 100, [Windows() for _ in range(processes)]
    let_through = sum(spend(process, who, amount, 2 * amount) for process in several)
    in_turns = f"{who}-turns"
    let_in_turns = 0
    for _ in range(2 * amount):
        let_in_turns += sum(spend(process, in_turns, amount, 1) for process in several)
    for total in (let_through, let_in_turns):
        assert amount <= total <= amount + (processes - 1) * amount // 2
    assert all(process.synchronize() for process in several)
    assert sum(spend(process, who, amount, 5) for process in several) == 0


def test_what_was_counted_is_told_within_a_moment(who: str) -> None:
    one, other = Windows(), Windows()
    assert spend(one, who, 100, 40) == 40
    hits = 0

    def has_heard() -> bool:
        nonlocal hits
        hits += other.hit(who, amount=100, seconds=MINUTE).is_allowed
        return other.get_state(who, amount=100, seconds=MINUTE).remaining <= 60 - hits

    until(has_heard, seconds=20, interval=windows.SYNC_SECONDS)


def test_what_was_spent_comes_back_little_by_little(
    who: str, clock: Callable[[float], None], no_redis: None
) -> None:
    process = Windows()
    assert spend(process, who, 10, 11) == 10
    clock(MINUTE)
    assert spend(process, who, 10, 5) <= 1
    clock(MINUTE / 2)
    assert 4 <= spend(process, who, 10, 10) <= 6
    clock(3 * MINUTE)
    assert spend(process, who, 10, 11) == 10


def test_a_window_of_redis_slides_as_ours_does(
    who: str, clock: Callable[[float], None], settings: Any
) -> None:
    def pass_time(windows_long: float) -> None:
        """Let time pass for us and, by what is left to its keys, for Redis."""
        clock(windows_long * MINUTE)
        with redis.Redis.from_url(settings.REDIS_URL) as client:
            for key in client.scan_iter(f"auteur:spent:{{{who}:*"):
                client.pexpire(key, client.pttl(key) - int(1000 * windows_long * MINUTE))

    one, other = Windows(), Windows()
    assert spend(one, who, 10, 10) == 10
    one.synchronize()
    pass_time(1.5)
    for process in (one, other):
        process.hit(who, amount=10, seconds=MINUTE)
        process.synchronize()
        assert 2 <= process.get_state(who, amount=10, seconds=MINUTE).remaining <= 6
    pass_time(2.1)
    assert one.get_state(who, amount=10, seconds=MINUTE).remaining == 10


def test_with_redis_away_each_process_holds_the_limit(
    who: str, no_redis: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask, tries = windows._run_script, []

    def count(some: Any, result: Any) -> Any:
        tries.append(some)
        return ask(some, result)

    monkeypatch.setattr(windows, "_run_script", count)
    process = Windows()
    started = time.monotonic()
    assert spend(process, who, 10, 100) == 10
    # It is left alone for a while, by requests and by the thread beside them.
    assert len(tries) <= 2 * (1 + (time.monotonic() - started) / windows.AWAY_SECONDS)
    assert not process.synchronize()


def test_what_was_counted_while_redis_was_away_is_told_when_it_is_back(
    who: str, settings: Any
) -> None:
    process, there = Windows(), settings.REDIS_URL
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    windows.script.cache_clear()
    assert spend(process, who, 10, 8) == 8
    assert not process.synchronize()
    settings.REDIS_URL = there
    windows.script.cache_clear()
    assert process.synchronize()
    other = Windows()
    assert spend(other, who, 10, 10) == 5  # half of the ten, then it hears of the eight
    assert spend(process, who, 10, 1) == 0 or process.synchronize()


def test_what_redis_may_have_counted_is_not_told_again(
    who: str, monkeypatch: pytest.MonkeyPatch, quiet: None
) -> None:
    """It has counted, and its answer comes too late."""
    asked, process = windows._run_script, Windows()

    def late(some: Any, result: Any) -> Any:
        asked(some, result)
        raise redis.exceptions.TimeoutError

    assert spend(process, who, 100, 40) == 40
    monkeypatch.setattr(windows, "_run_script", late)
    assert not process.synchronize()
    assert process.get_state(who, amount=100, seconds=MINUTE).remaining == 60
    monkeypatch.setattr(windows, "_run_script", asked)
    assert spend(process, who, 100, 1) == 1
    assert process.synchronize()
    other = Windows()
    assert not other.hit(who, amount=100, seconds=MINUTE, cost=60).is_allowed
    assert other.hit(who, amount=100, seconds=MINUTE, cost=59).is_allowed


def test_no_more_windows_are_kept_than_so_many(
    who: str, monkeypatch: pytest.MonkeyPatch, no_redis: None
) -> None:
    monkeypatch.setattr(windows, "MAX_WINDOWS", 3)
    process = Windows()
    for number in range(4):
        process.hit(f"{who}-{number}", amount=10, seconds=MINUTE)
    assert len(process._windows) == len(process._unsent) == 3
    assert process.get_state(f"{who}-3", amount=10, seconds=MINUTE).remaining == 9
    assert process.get_state(f"{who}-0", amount=10, seconds=MINUTE).remaining == 10


def test_many_are_settled_at_once_and_one_more(who: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(windows, "MAX_SCRIPT_WINDOWS", 3)
    asked: list[int] = []
    really = windows._run_script

    def counted(some: Any, result: Any) -> Any:
        asked.append(len(some))
        return really(some, result)

    monkeypatch.setattr(windows, "_run_script", counted)
    process = Windows()
    monkeypatch.setattr(windows, "SYNC_SECONDS", 3600.0)
    for number in range(4):
        process.hit(f"{who}-{number}", amount=10, seconds=MINUTE)
    assert process.synchronize()
    assert asked == [3, 1]
    assert not process._unsent
