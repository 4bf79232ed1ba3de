"""One running stack and one Chromium for all tests of the studio.

A folder of its own: Playwright's loop runs while the browser lives, and Django's ORM refuses that.
"""

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from auteur_client import Auteur

from tests.journeys.stack import JourneyStack
from tests.studio.browser.film import Film
from tests.studio.browser.window import BUILT, CHROMIUM, Window, opened

HERE = Path(__file__).parent
SECONDS = 10


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip with a word where there is nothing to look at, or nothing to look with."""
    if CHROMIUM is None:
        reason = "Chromium is not here"
    elif not BUILT.is_file():
        reason = "the studio is not built: make studio"
    else:
        return
    for item in items:
        if item.path.parent == HERE:
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="package")
def stack(shared_stack: JourneyStack) -> JourneyStack:
    return shared_stack


@pytest.fixture(scope="package")
def browser() -> Iterator[Any]:
    sync_api = pytest.importorskip("playwright.sync_api")
    arguments = ["--no-sandbox", "--autoplay-policy=no-user-gesture-required", "--mute-audio"]
    with sync_api.sync_playwright() as playwright:
        output = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield output
        output.close()


@pytest.fixture
def token(stack: JourneyStack) -> str:
    """Of a new user, who has some credits."""
    body = {"email": f"{uuid.uuid4().hex[:8]}@example.com"}
    answer = requests.post(f"{stack.api_url}/studio/sign-in", json=body, timeout=SECONDS)
    return str(answer.json()["access_token"])


@pytest.fixture
def client(stack: JourneyStack, token: str) -> Auteur:
    return Auteur(stack.api_url, token)


@pytest.fixture
def film(client: Auteur, token: str) -> Film:
    return Film(client, token)


@pytest.fixture
def open_window(stack: JourneyStack, browser: Any) -> Iterator[Callable[..., Window]]:
    """Open the studio, signed in if there is a token; messages of its console fail the test."""
    windows: list[Window] = []

    def make(path: str = "", token: str | None = None, **options: Any) -> Window:
        windows.append(opened(browser, f"{stack.api_url}/studio{path}", token, options))
        return windows[-1]

    yield make
    complaints = [complaint for window in windows for complaint in window.complaints]
    for window in windows:
        window.page.context.close()
    assert not complaints
