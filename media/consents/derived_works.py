"""Declare how this app asks the jobs app what was made of media and voices."""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID


@dataclass(frozen=True)
class DerivedMedia:
    """The media made of some sources, directly or indirectly, and the jobs that read any of it.

    ``media_ids`` holds the sources and the jobs' results so far, including deleted ones.
    """

    media_ids: frozenset[UUID]
    open_jobs: frozenset[UUID]
    ended_jobs: frozenset[UUID]


@dataclass(frozen=True)
class LeftoverObjects:
    """The keys and key prefixes under which ended jobs may have left objects, by job."""

    folders: dict[str, UUID] = field(default_factory=dict)
    segments: dict[str, UUID] = field(default_factory=dict)
    """Keys of render segments, which lie in folders that other jobs share."""


class DerivedWorks(Protocol):
    """The interface that the jobs app implements."""

    def find_derived_works(self, *, user_id: UUID, sources: Collection[UUID]) -> DerivedMedia:
        """Return what was made of the user's media and voices with these ids."""
        ...

    def cancel_jobs(self, *, job_ids: Collection[UUID]) -> None:
        """Cancel these jobs, except those whose results are being delivered.

        Jobs that have begun are refunded within the limits of the user's own cancels.
        """
        ...

    def count_remaining_refunds(self, *, user_id: UUID) -> int:
        """Return how many begun jobs of the user would still be refunded if stopped now."""
        ...

    def erase_results(self, *, job_ids: Collection[UUID]) -> LeftoverObjects:
        """Erase the results in the rows of these ended jobs; return where their objects lie."""
        ...


_works: list[DerivedWorks] = []


def register_derived_works(works: DerivedWorks) -> None:
    """Register the implementation; call this when Django is ready."""
    _works[:] = [works]


def get_derived_works() -> DerivedWorks:
    """Return the registered implementation."""
    return _works[0]
