"""What a request that submits jobs may spend before it is charged: its user's credits, and work.

Most features do little before their job is charged. Those that do more ask here first, so that
nobody gets work for free, or much of it by one request.
"""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, TypeVar
from uuid import UUID

from auteur.api.problems import Problem
from credits import ledger, spending

MAX_WORK = 80_000
"""In words of a transcript; the longest timeline with the longest transcript is just as much."""

Found = TypeVar("Found")


class BatchTooLargeProblem(Problem):
    """The jobs of the batch are too much work together; nothing was charged."""

    status_code = 422
    default_code = "batch_too_large"
    default_detail = "The timelines are too long for one request. Submit fewer renders."


@dataclass
class Budget:
    """Of one request, for all its jobs."""

    user_id: UUID
    charged: bool = True
    api_key_id: UUID | None = None
    """By which it comes."""
    credits: int = 0
    """What the jobs so far cost."""
    work: int = 0
    found: dict[Hashable, Any] = field(default_factory=dict)

    def need(self, credits: int) -> None:
        """Raise ``InsufficientCreditsProblem`` unless the balance covers this, too.

        Or ``SpendingCapReachedProblem``, where the API key may not spend it.
        """
        if self.charged and credits:
            required = self.credits + credits
            balance = ledger.balance_of(user_id=self.user_id)
            if balance < required:
                raise ledger.InsufficientCreditsProblem(balance=balance, required=required)
            if self.api_key_id is not None:
                spending.check_caps(api_key_id=self.api_key_id, required=required)

    def add(self, work: int) -> None:
        """Count work that is about to be done; raises ``BatchTooLargeProblem``."""
        self.work += work
        if self.work > MAX_WORK:
            raise BatchTooLargeProblem

    def once(self, name: Hashable, find: Callable[[], Found]) -> Found:
        """What ``find`` returned the first time."""
        if name not in self.found:
            self.found[name] = find()
        found: Found = self.found[name]
        return found
