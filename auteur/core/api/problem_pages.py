"""The page `/problems`, to which the ``type`` of a problem links, built from class docstrings."""

from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from inspect import cleandoc
from typing import NamedTuple

from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.urls import get_resolver
from django.views.decorators.http import require_safe

from auteur.core.api.problems import Problem

MAX_AGE_SECONDS = 3600
OTHER_CODES = {
    "bad_request": (400, "The request is malformed."),
    "invalid": (
        400,
        "Some values are wrong or unknown. errors lists each with field, code and detail.",
    ),
    "parse_error": (400, "The request body is not valid JSON."),
    "not_authenticated": (401, "The request has no token. Send Authorization: Bearer <token>."),
    "permission_denied": (403, "You may not do this."),
    "method_not_allowed": (
        405,
        "The address does not support this method. The Allow header lists those it supports.",
    ),
    "not_acceptable": (
        406,
        "The answer is not available in a format that the Accept header allows.",
    ),
    "request_timeout": (408, "The request body arrived too slowly."),
    "unsupported_media_type": (415, "The Content-Type of the body is not supported here."),
    "range_not_satisfiable": (416, "The Range begins after the end of the file."),
    "throttled": (429, "Too many requests. Try again after Retry-After seconds."),
    "headers_too_large": (431, "The request headers are too large."),
    "internal_error": (500, "An error on our side. It was recorded; quote the request_id."),
    "overloaded": (503, "The server is overloaded. Try again shortly."),
}
"""Statuses and meanings of codes that have no `Problem` class, or not always."""


class ProblemDescription(NamedTuple):
    """The description of one code."""

    code: str
    statuses: list[int]
    meaning: str
    details: str
    """The default details of the code's classes, for codes whose documents say no more."""


@require_safe
def problems_page(request: HttpRequest) -> HttpResponse:
    """Return the page, with a heading for each code."""
    headers = {"Cache-Control": f"public, max-age={MAX_AGE_SECONDS}"}
    return HttpResponse(_render_page(), headers=headers)


@cache
def list_problems() -> list[ProblemDescription]:
    """Return the descriptions of all problems that the API can answer with, sorted by code."""
    _ = get_resolver().url_patterns  # This imports all views and the problems they raise.
    kinds_by_code: dict[str, list[type[Problem]]] = defaultdict(list)
    for kind in _list_subclasses(Problem):
        kinds_by_code[str(kind.default_code)].append(kind)
    return [_describe(code, kinds_by_code[code]) for code in sorted({*kinds_by_code, *OTHER_CODES})]


@cache
def _render_page() -> str:
    return render_to_string("problems.html", {"problems": list_problems()})


def _describe(code: str, kinds: list[type[Problem]]) -> ProblemDescription:
    kinds = sorted(kinds, key=lambda kind: (kind.__module__, kind.__name__))
    cases = [(kind.status_code, _get_first_paragraph(kind)) for kind in kinds]
    if code in OTHER_CODES:
        cases.append(OTHER_CODES[code])
    meanings = dict.fromkeys(meaning for _, meaning in cases)
    details = dict.fromkeys(
        kind.default_detail for kind in kinds if kind.default_detail != Problem.default_detail
    )
    statuses = sorted({int(status) for status, _ in cases})
    return ProblemDescription(code, statuses, " ".join(meanings), " ".join(details))


def _get_first_paragraph(kind: type[Problem]) -> str:
    first, *_ = cleandoc(kind.__doc__ or "").split("\n\n")
    return " ".join(first.replace("`", "").split())


def _list_subclasses(kind: type[Problem]) -> Iterator[type[Problem]]:
    for subclass in kind.__subclasses__():
        yield subclass
        yield from _list_subclasses(subclass)
