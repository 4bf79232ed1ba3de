"""Limit what a request that submits jobs may use before it is charged: credits, and work.

Most features do little before their job is charged. Features that do more check the budget first,
so that nobody gets work for free, or much of it by one request.
"""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, TypeVar
from uuid import UUID

from auteur.core.api.problems import Problem
from credits import ledger, spending

MAX_WORK = 80_000
"""The limit of work, in words: as many as the longest timeline and transcript have together."""

Value = TypeVar("Value")


class BatchTooLargeProblem(Problem):
    """Raised if the jobs of a batch are too much work together. Nothing was charged."""

    status_code = 422
    default_code = "batch_too_large"
    default_detail = "The timelines are too long for one request. Submit fewer renders."


@dataclass
class Budget:
    """The budget of one request, for all its jobs."""

    user_id: UUID
    charged: bool = True
    api_key_id: UUID | None = None
    """The API key of the request, if any."""
    credits: int = 0
    """The price of the jobs so far."""
    work: int = 0
    results: dict[Hashable, Any] = field(default_factory=dict)

    def need(self, credits: int) -> None:
        """Raise ``InsufficientCreditsProblem`` unless the balance covers these credits, too.

        Raises ``SpendingCapReachedProblem`` if the API key may not spend them.
        """
        if self.charged and credits:
            required = self.credits + credits
            balance = ledger.get_balance(user_id=self.user_id)
            if balance < required:
                raise ledger.InsufficientCreditsProblem(balance=balance, required=required)
            if self.api_key_id is not None:
                spending.check_caps(api_key_id=self.api_key_id, required=required)

    def add(self, work: int) -> None:
        """Count work before it is done; raise ``BatchTooLargeProblem`` if it is too much."""
        self.work += work
        if self.work > MAX_WORK:
            raise BatchTooLargeProblem

    def once(self, name: Hashable, find: Callable[[], Value]) -> Value:
        """Return the result of ``find``, which is called once for each name."""
        if name not in self.results:
            self.results[name] = find()
        value: Value = self.results[name]
        return value
