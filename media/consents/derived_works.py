"""What the rooms above know: what was made of media and voices, and by which jobs."""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID


@dataclass(frozen=True)
class DerivedMedia:
    """All that was made of some sources, in however many steps, and the jobs that read any of it.

    What the jobs have made so far, with the sources, is in ``media_ids``, deleted or not.
    """

    media_ids: frozenset[UUID]
    open_jobs: frozenset[UUID]
    ended_jobs: frozenset[UUID]


@dataclass(frozen=True)
class LeftoverObjects:
    """Where ended jobs may have left objects: each key, or beginning of keys, with its job."""

    folders: dict[str, UUID] = field(default_factory=dict)
    segments: dict[str, UUID] = field(default_factory=dict)
    """Of renders, in folders that others use as well."""


class DerivedWorks(Protocol):
    """What the room of the jobs offers."""

    def find_derived_works(self, *, user_id: UUID, sources: Collection[UUID]) -> DerivedMedia:
        """What was made of the user's media and voices with these ids."""
        ...

    def stop(self, *, job_ids: Collection[UUID]) -> None:
        """Cancel these, but for those whose results are being delivered.

        What has begun is refunded as far as its user's own cancels are.
        """
        ...

    def refunds_left(self, *, user_id: UUID) -> int:
        """How many begun jobs of the user would still be refunded, if they were stopped now."""
        ...

    def forget(self, *, job_ids: Collection[UUID]) -> LeftoverObjects:
        """Drop what these ended jobs have found out from their rows; where their objects lie."""
        ...


_works: list[DerivedWorks] = []


def register_derived_works(works: DerivedWorks) -> None:
    """Have ``works`` asked when a consent is revoked; to be called when Django is ready."""
    _works[:] = [works]


def get_derived_works() -> DerivedWorks:
    """The room that is registered."""
    return _works[0]
