"""A feature whose jobs have a deadline shorter than the outages of the chaos suite."""

from datetime import timedelta

from gpu_tasks.noop_brief import contract
from jobs.features.noop import Noop

RUN_LIMIT = timedelta(seconds=20)  # as in tests/chaos/workload.py


class NoopBrief(Noop):
    """The declaration."""

    name = "noop_brief"
    summary = "Do nothing, soon"
    contract = contract.CONTRACT

    @property
    def run_limit(self) -> timedelta:
        """Return a limit that a short outage exceeds."""
        return RUN_LIMIT


FEATURE = NoopBrief()
