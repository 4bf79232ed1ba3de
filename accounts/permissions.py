"""Who may ask for what, beyond being signed in."""

from typing import Any

from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from accounts.closing.asking import AccountClosingProblem
from auteur.api.scopes import refuse


class IsOpenAccount(BasePermission):
    """Whoever has closed their account reads, deletes, takes it along or restores it: no more.

    A view that is for them as well says so by ``for_closed_accounts``.
    """

    def has_permission(self, request: Request, view: Any) -> bool:
        """Raises ``AccountClosingProblem`` instead of False."""
        closing_at = getattr(request.user, "closing_at", None)
        if closing_at is not None and not _is_for_closed_accounts(request, view):
            refuse(request, view, AccountClosingProblem(closing_at=closing_at.isoformat()))
        return True


def _is_for_closed_accounts(request: Request, view: Any) -> bool:
    if request.method in (*SAFE_METHODS, "DELETE"):
        return True
    return bool(getattr(view, "for_closed_accounts", False))
