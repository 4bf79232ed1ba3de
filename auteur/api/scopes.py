"""What whom may ask: an API key what its scopes name, a guest what costs nothing.

A view names the scope of each of its methods (``scopes``). What it does not name, no key may ask,
and a guest no more than read, unless it says otherwise (``needs_account``).
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, NoReturn

from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from auteur.api.problems import Problem
from auteur.api.requests import KeyAuth


class Scope(StrEnum):
    """What an API key may do. None contains another."""

    READ = "read"
    """See whatever its user sees, but secrets."""
    JOBS = "jobs"
    """Submit, cancel and retry jobs, and say where their events go."""
    MEDIA = "media"
    """Make, change and delete projects, timelines, media and voices."""
    BILLING = "billing"
    """Buy credits and change the plan."""


MONEY = frozenset({Scope.JOBS, Scope.BILLING})
"""What spends credits or buys them: for people with an account of their own."""


class KeyNotAllowedProblem(Problem):
    """No API key may do this, whatever its scopes."""

    status_code = 403
    default_code = "key_not_allowed"
    default_detail = "API keys cannot do this. Use the access token of a signed-in user."


class ScopeRequiredProblem(Problem):
    """The key lacks the ``scope``."""

    status_code = 403
    default_code = "scope_required"

    def __init__(self, scope: Scope) -> None:
        super().__init__(f"The API key needs the scope {scope} for this.", scope=scope.value)


class SignInRequiredProblem(Problem):
    """A guest (Supabase's anonymous sign-in) asks for what needs an account."""

    status_code = 403
    default_code = "sign_in_required"
    default_detail = "Sign in with an account first. Everything you made as a guest stays yours."


class WithinScope(BasePermission):
    """Refuses keys what they have no scope for, and guests what moves money."""

    def has_permission(self, request: Request, view: Any) -> bool:
        """Raises the problem that tells why not; a method that there is not stays 405."""
        if request.method not in view.allowed_methods:
            return True
        scope = scope_of(view, str(request.method))
        if isinstance(request.auth, KeyAuth):
            problem = _problem_of_key(request.auth, scope)
        elif getattr(request.auth, "is_anonymous", False):
            problem = _problem_of_guest(view, str(request.method), scope)
        else:
            return True
        if problem is not None:
            raise_counted(request, view, problem)
        return True

    def problems_of(self, view: Any, method: str) -> list[type[Problem]]:
        """What may be raised, for the API's schema."""
        scope = scope_of(view, method)
        of_key: type[Problem] = KeyNotAllowedProblem if scope is None else ScopeRequiredProblem
        of_guest = _problem_of_guest(view, method, scope)
        return [of_key, *([type(of_guest)] if of_guest else [])]


def raise_counted(request: Request, view: Any, problem: Problem) -> NoReturn:
    """Raise it, once it is counted: REST framework looks at limits only after permissions."""
    view.check_throttles(request)
    raise problem


def _problem_of_key(key: KeyAuth, scope: Scope | None) -> Problem | None:
    if scope is None:
        return KeyNotAllowedProblem()
    return None if scope in key.scopes else ScopeRequiredProblem(scope)


def _problem_of_guest(view: Any, method: str, scope: Scope | None) -> Problem | None:
    needs_account = scope in MONEY or (scope is None and method not in SAFE_METHODS)
    return SignInRequiredProblem() if getattr(view, "needs_account", needs_account) else None


def scope_of(view: Any, method: str) -> Scope | None:
    """The scope that a method of a view needs; None where no key may ask."""
    scopes: Mapping[str, Scope] = getattr(view, "scopes", {})
    return scopes.get("GET" if method == "HEAD" else method)
