"""An address leads where Django says it leads, by fewer tries."""

import re
import uuid
from collections.abc import Iterator

import pytest
from django.conf import settings
from django.urls import Resolver404, ResolverMatch, URLPattern, URLResolver, get_resolver, resolve
from django.urls.resolvers import RoutePattern

from auteur.core.api import routing

PARAMETER = re.compile(r"<(?:(\w+):)?\w+>")
EXAMPLES = {"uuid": str(uuid.uuid4()), "int": "7", "path": "a/b.mp4"}
UNKNOWN = ("", "/nothing", "/jobs/", "/credits/", "//credits", "/health", "/health/live/more")
KEPT = (
    *("func", "args", "kwargs", "url_name", "route", "app_names", "namespaces"),
    *("captured_kwargs", "extra_kwargs"),
)


def addresses(resolver: URLResolver, before: str = "/") -> Iterator[str]:
    """One for each pattern, with values for its parameters."""
    for url_pattern in resolver.url_patterns:
        route = PARAMETER.sub(
            lambda found: EXAMPLES.get(found[1], "some"), str(url_pattern.pattern)
        )
        if not isinstance(url_pattern.pattern, RoutePattern):
            continue
        if isinstance(url_pattern, URLPattern):
            yield before + route
        else:
            yield from addresses(url_pattern, before + route)


def found(match: ResolverMatch) -> list[object]:
    return [getattr(match, name) for name in KEPT]


@pytest.mark.parametrize("urlconf", [settings.ROOT_URLCONF, "auteur.live.urls"])
def test_every_address_leads_where_django_says(urlconf: str) -> None:
    tried = [*addresses(get_resolver(urlconf))]
    assert len(tried) > 1
    for path in tried:
        assert found(routing.resolve(path, urlconf)) == found(resolve(path, urlconf)), path


@pytest.mark.parametrize("path", UNKNOWN)
def test_what_is_nowhere_is_found_by_neither(path: str) -> None:
    for look in (resolve, routing.resolve):
        with pytest.raises(Resolver404):
            look(path, settings.ROOT_URLCONF)


def test_few_patterns_are_tried() -> None:
    match = routing.resolve("/health/live", settings.ROOT_URLCONF)
    assert len(match.tried) <= 2
    assert len(resolve("/health/live").tried) > 50


def test_patterns_that_begin_openly_are_tried_in_their_place() -> None:
    urlconf = "tests.auteur.core.api.open_urls"
    for path, name in {
        "/fixed/one": "first",
        "/fixed/two": "any",
        "/other/two": "any",
        "/fixed": "short",
        "/fixedly": "prefix",
        "/12": "number",
        "/grouped/x": "grouped",
        "/named": "named",
        "/fixed/three": "late",
    }.items():
        assert resolve(path, urlconf).url_name == name, path
        assert found(routing.resolve(path, urlconf)) == found(resolve(path, urlconf)), path
