"""The permission that restricts closed accounts."""

from typing import Any

from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from accounts.closing.requests import AccountClosingProblem
from auteur.core.api.problems import Problem
from auteur.core.api.scopes import count_and_raise


class IsOpenAccount(BasePermission):
    """The permission that lets closed accounts only read, delete, export and restore.

    A view with ``for_closed_accounts`` allows them all methods.
    """

    def has_permission(self, request: Request, view: Any) -> bool:
        """Return True, or raise ``AccountClosingProblem``."""
        closing_at = getattr(request.user, "closing_at", None)
        if closing_at is not None and not _is_for_closed_accounts(str(request.method), view):
            count_and_raise(request, view, AccountClosingProblem(closing_at=closing_at.isoformat()))
        return True

    def list_problems(self, view: Any, method: str) -> list[type[Problem]]:
        """Return the problems that a view's method may raise, for the API schema."""
        return [] if _is_for_closed_accounts(method, view) else [AccountClosingProblem]


def _is_for_closed_accounts(method: str, view: Any) -> bool:
    if method in (*SAFE_METHODS, "DELETE"):
        return True
    return bool(getattr(view, "for_closed_accounts", False))
