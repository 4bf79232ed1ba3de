"""Which view answers an address: Django's answer, from the few patterns that can match it.

Django tries every pattern of every room in turn, a hundred of them; here only those that begin
with the address's first segment are tried, in the same order.
"""

from collections.abc import Iterable, Iterator
from functools import cache

from django.urls import ResolverMatch, URLPattern, URLResolver, get_resolver
from django.urls.resolvers import RegexPattern, RoutePattern

Pattern = URLPattern | URLResolver
ROOT = r"^/"
FOUND = "auteur.found"
"""Where a request's environment holds the match, once it is known."""


def resolve(path: str, urlconf: str) -> ResolverMatch:
    """As Django's; raises `Resolver404`."""
    by_segment, others = _resolvers(urlconf)
    return by_segment.get(path[1:].partition("/")[0], others).resolve(path)


def import_views(urlconf: str) -> None:
    """Have all views imported, which else the first request waits for."""
    _resolvers(urlconf)


@cache
def _resolvers(urlconf: str) -> tuple[dict[str, URLResolver], URLResolver]:
    """What can match an address, by its first segment; and what can match any other."""
    patterns = [(_first_segment(each), each) for each in _flat(get_resolver(urlconf).url_patterns)]

    def having(*segments: str | None) -> URLResolver:
        chosen = [each for segment, each in patterns if segment in segments]
        return URLResolver(RegexPattern(ROOT), chosen)

    named = {segment for segment, _ in patterns if segment is not None}
    return {segment: having(segment, None) for segment in named}, having(None)


def _flat(patterns: Iterable[Pattern]) -> Iterator[Pattern]:
    for each in patterns:
        if isinstance(each, URLResolver) and _only_groups(each):
            yield from _flat(each.url_patterns)
        else:
            yield each


def _only_groups(resolver: URLResolver) -> bool:
    """Whether it is `path("", include(…))`, which adds nothing to what it includes."""
    named = resolver.namespace or resolver.app_name or resolver.default_kwargs
    return _route(resolver) == "" and not named


def _first_segment(pattern: Pattern) -> str | None:
    """None: it may match an address that begins in another way."""
    segment, slash, _ = (_route(pattern) or "<").partition("/")
    is_open = "<" in segment or (isinstance(pattern, URLResolver) and not slash)
    return None if is_open else segment


def _route(pattern: Pattern) -> str | None:
    """None where it is a regular expression."""
    return str(pattern.pattern) if isinstance(pattern.pattern, RoutePattern) else None
