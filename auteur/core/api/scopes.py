"""The scopes of API keys, and what guests may do.

A view names the scope of each of its methods (``scopes``). Without one, no key may use the method.
A guest may use only reads and what costs no credits, unless the view sets ``needs_account``.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, NoReturn

from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from auteur.core.api.problems import Problem
from auteur.core.api.requests import KeyAuth


class Scope(StrEnum):
    """A permission of an API key. None contains another."""

    READ = "read"
    """Read everything that the user can read, except secrets."""
    JOBS = "jobs"
    """Submit, cancel and retry jobs, and set where their events go."""
    MEDIA = "media"
    """Create, change and delete projects, timelines, media and voices."""
    BILLING = "billing"
    """Buy credits and change the plan."""


MONEY = frozenset({Scope.JOBS, Scope.BILLING})
"""The scopes that spend or buy credits. They need a user with an account."""


class KeyNotAllowedProblem(Problem):
    """No API key may do this, with any scope."""

    status_code = 403
    default_code = "key_not_allowed"
    default_detail = "API keys cannot do this. Use the access token of a signed-in user."


class ScopeRequiredProblem(Problem):
    """The API key lacks the ``scope`` that this operation needs."""

    status_code = 403
    default_code = "scope_required"

    def __init__(self, scope: Scope) -> None:
        super().__init__(
            f"The API key lacks the scope {scope}. Add it to the key, or use another one.",
            scope=scope.value,
        )


class SignInRequiredProblem(Problem):
    """A guest (Supabase's anonymous sign-in) requests an operation that needs an account."""

    status_code = 403
    default_code = "sign_in_required"
    default_detail = "Sign in with an account first. Everything you made as a guest stays yours."


class WithinScope(BasePermission):
    """The permission that checks the scopes of keys and the limits of guests."""

    def has_permission(self, request: Request, view: Any) -> bool:
        """Return True, or raise the problem with the reason. An unknown method stays a 405."""
        if request.method not in view.allowed_methods:
            return True
        scope = get_scope(view, str(request.method))
        if isinstance(request.auth, KeyAuth):
            problem = _find_key_problem(request.auth, scope)
        elif getattr(request.auth, "is_anonymous", False):
            problem = _find_guest_problem(view, str(request.method), scope)
        else:
            return True
        if problem is not None:
            count_and_raise(request, view, problem)
        return True

    def list_problems(self, view: Any, method: str) -> list[type[Problem]]:
        """Return the problems that the permission can raise, for the API schema."""
        scope = get_scope(view, method)
        key_problem: type[Problem] = KeyNotAllowedProblem if scope is None else ScopeRequiredProblem
        guest_problem = _find_guest_problem(view, method, scope)
        return [key_problem, *([type(guest_problem)] if guest_problem else [])]


def count_and_raise(request: Request, view: Any, problem: Problem) -> NoReturn:
    """Raise the problem after counting the request, because DRF throttles after permissions."""
    view.check_throttles(request)
    raise problem


def _find_key_problem(key: KeyAuth, scope: Scope | None) -> Problem | None:
    if scope is None:
        return KeyNotAllowedProblem()
    return None if scope in key.scopes else ScopeRequiredProblem(scope)


def _find_guest_problem(view: Any, method: str, scope: Scope | None) -> Problem | None:
    needs_account = scope in MONEY or (scope is None and method not in SAFE_METHODS)
    return SignInRequiredProblem() if getattr(view, "needs_account", needs_account) else None


def get_scope(view: Any, method: str) -> Scope | None:
    """Return the scope that a method of a view needs, or None if no key may use it."""
    scopes: Mapping[str, Scope] = getattr(view, "scopes", {})
    return scopes.get("GET" if method == "HEAD" else method)
