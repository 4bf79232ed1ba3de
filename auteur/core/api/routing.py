"""Resolution of addresses as Django does it, with only the patterns that can match.

Django tries every pattern in turn, about a hundred. This module tries only those that begin with
the first segment of the address, in the same order.
"""

from collections.abc import Iterable, Iterator
from functools import cache

from django.urls import ResolverMatch, URLPattern, URLResolver, get_resolver
from django.urls.resolvers import RegexPattern, RoutePattern

Pattern = URLPattern | URLResolver
ROOT = r"^/"
MATCH_KEY = "auteur.found"
"""The key under which a request's environment stores its `ResolverMatch`."""


def resolve(path: str, urlconf: str) -> ResolverMatch:
    """Return the match. Raise `Resolver404` if there is none, as Django does."""
    by_segment, fallback = _build_resolvers(urlconf)
    return by_segment.get(path[1:].partition("/")[0], fallback).resolve(path)


def import_views(urlconf: str) -> None:
    """Import all views, so that the first request does not wait for it."""
    _build_resolvers(urlconf)


@cache
def _build_resolvers(urlconf: str) -> tuple[dict[str, URLResolver], URLResolver]:
    """Return the resolver for each first segment, and the one for all other addresses."""
    all_patterns = _flatten_patterns(get_resolver(urlconf).url_patterns)
    patterns = [(_find_first_segment(pattern), pattern) for pattern in all_patterns]

    def build_resolver(*segments: str | None) -> URLResolver:
        matching = [pattern for segment, pattern in patterns if segment in segments]
        return URLResolver(RegexPattern(ROOT), matching)

    first_segments = {segment for segment, _ in patterns if segment is not None}
    by_segment = {segment: build_resolver(segment, None) for segment in first_segments}
    return by_segment, build_resolver(None)


def _flatten_patterns(patterns: Iterable[Pattern]) -> Iterator[Pattern]:
    for pattern in patterns:
        if isinstance(pattern, URLResolver) and _is_plain_group(pattern):
            yield from _flatten_patterns(pattern.url_patterns)
        else:
            yield pattern


def _is_plain_group(resolver: URLResolver) -> bool:
    """Return True for `path("", include(…))`, which adds nothing to the patterns it includes."""
    has_options = resolver.namespace or resolver.app_name or resolver.default_kwargs
    return _find_route(resolver) == "" and not has_options


def _find_first_segment(pattern: Pattern) -> str | None:
    """Return the first segment, or None if addresses that match can begin differently."""
    segment, slash, _ = (_find_route(pattern) or "<").partition("/")
    is_open = "<" in segment or (isinstance(pattern, URLResolver) and not slash)
    return None if is_open else segment


def _find_route(pattern: Pattern) -> str | None:
    """Return the route, or None if the pattern is a regular expression."""
    return str(pattern.pattern) if isinstance(pattern.pattern, RoutePattern) else None
