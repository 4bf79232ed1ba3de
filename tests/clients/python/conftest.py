"""Provide the embedded stack for these tests; each test has a user of its own."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from auteur_client import Auteur

from tests.clients.python.faulty import Faulty, faulty
from tests.journeys.people import People
from tests.journeys.recordings import beginning
from tests.journeys.stack import JourneyStack

CREDITS = 10


@pytest.fixture(scope="package")
def stack(shared_stack: JourneyStack) -> JourneyStack:
    return shared_stack


@pytest.fixture(scope="package")
def new_token(stack: JourneyStack) -> Callable[[int], str]:
    """Return a function that creates a user with these credits and returns their token."""
    return People(stack).new


@pytest.fixture
def token(new_token: Callable[[int], str]) -> str:
    return new_token(CREDITS)


@pytest.fixture
def live_url(stack: JourneyStack) -> str:
    return f"http://127.0.0.1:{stack.env['LIVE_PORT']}"


@pytest.fixture
def auteur(stack: JourneyStack, token: str, live_url: str) -> Iterator[Auteur]:
    with Auteur(stack.api_url, token, live_url=live_url) as client:
        yield client


@pytest.fixture
def network(stack: JourneyStack) -> Iterator[Faulty]:
    """Provide a proxy before the API that can inject faults."""
    with faulty(stack.api_url) as plan:
        yield plan


@pytest.fixture
def far(network: Faulty, token: str) -> Iterator[Auteur]:
    """Provide a client of the same user through the proxy, without a stream of events."""
    with Auteur(network.url, token) as client:
        yield client


@pytest.fixture
def project_id(auteur: Auteur) -> str:
    return str(auteur.create_project("Test").id)


@pytest.fixture(scope="session")
def short_film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a film that is processed fast."""
    return beginning(tmp_path_factory.mktemp("short") / "short.mp4", seconds=2)


@pytest.fixture(scope="session")
def talk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a film of two sentences."""
    return beginning(tmp_path_factory.mktemp("talk") / "talk.mp4", seconds=7)


@pytest.fixture(scope="session")
def large_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a silent recording that is large enough to be sent in parts."""
    import wave

    from media.storage.multipart import MULTIPART_BYTES

    rate = 1_000_000
    file = tmp_path_factory.mktemp("large") / "silence.wav"
    with wave.open(str(file), "wb") as output:
        output.setnchannels(1)
        output.setsampwidth(2)
        output.setframerate(rate)
        for _ in range(MULTIPART_BYTES // (2 * rate) + 1):
            output.writeframes(bytes(2 * rate))
    return file
