"""How the API is used: counted in memory, kept in rows until they are published."""

from collections.abc import Iterable

from jobs.streams.records import Record


def take(limit: int) -> list[tuple[int, Record]]:
    """The oldest rows of usage as records, by id; they stay until `forget`."""
    raise NotImplementedError


def forget(ids: Iterable[int]) -> None:
    """The sink has them."""
    raise NotImplementedError
