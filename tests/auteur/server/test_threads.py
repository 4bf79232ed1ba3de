"""What the loop gives to threads, and what comes back."""

import asyncio
import threading
from collections.abc import Callable

import pytest

from auteur.server.threads import Threads


def of_threads(prefix: str) -> int:
    return sum(item.name.startswith(prefix) for item in threading.enumerate())


def test_what_is_returned_or_raised_comes_back() -> None:
    def fail() -> None:
        raise LookupError("no")

    async def main() -> None:
        threads = Threads(1, "back")
        assert await threads.submit(threading.get_ident) != threading.get_ident()
        with pytest.raises(LookupError, match="no"):
            await threads.submit(fail)
        assert await threads.submit(lambda: 5) == 5

    asyncio.run(main())


def test_there_are_as_many_as_are_needed_at_once_and_no_more_than_told() -> None:
    async def main() -> None:
        threads, go = Threads(3, "needed"), threading.Event()
        for _ in range(5):
            await threads.submit(lambda: None)
        assert of_threads("needed") == 1
        waiting = [threads.submit(go.wait) for _ in range(2)]
        assert of_threads("needed") == 2
        waiting += [threads.submit(go.wait) for _ in range(6)]
        assert of_threads("needed") == 3
        go.set()
        assert await asyncio.gather(*waiting) == [True] * 8

    asyncio.run(main())


def test_what_was_cancelled_is_not_begun_and_takes_no_place() -> None:
    async def main() -> None:
        threads, go, begun = Threads(1, "cancelled"), threading.Event(), []
        first = threads.submit(go.wait)
        second = threads.submit(lambda: begun.append(2))
        third = threads.submit(lambda: begun.append(3))
        second.cancel()
        go.set()
        await asyncio.gather(first, third)
        assert begun == [3]

    asyncio.run(main())


def test_a_loop_that_has_gone_is_not_told() -> None:
    go, done = threading.Event(), threading.Event()
    result: list[Threads] = []

    def work() -> None:
        go.wait(60)
        done.set()

    async def main(begin: Callable[[Threads], object]) -> None:
        result.append(Threads(1, "gone"))
        begin(result[0])

    asyncio.run(main(lambda threads: threads.submit(work)))
    go.set()
    assert done.wait(60)
    (thread,) = [item for item in threading.enumerate() if item.name == "gone_1"]
    assert thread.is_alive()
