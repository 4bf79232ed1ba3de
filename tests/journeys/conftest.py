"""The embedded stack, started once for all journeys (see `tests.scheduling`), on each backend."""

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pytest

from auteur.devstack import rabbitmq
from auteur.devstack.processes import BASE_DIR
from auteur.devstack.stack import create_folders
from tests.accounts.billing.stripe_server import served
from tests.accounts.billing.stripe_world import World
from tests.journeys import shop
from tests.journeys.client import Person
from tests.journeys.people import People
from tests.journeys.recordings import repeated
from tests.journeys.stack import JourneyStack
from tests.modal_peer.scenario import Scenario
from tests.modal_peer.serving import Peer, serving

CREDITS = 10
UNLIMITED = {"RATE_LIMIT": "6000/minute"}


@contextmanager
def started(settings: Mapping[str, str]) -> Iterator[JourneyStack]:
    """API, orchestrator, workers, Flower and stores, all real.

    Not under pytest's own folder: each pytest that starts closes that to all other users, and
    PostgreSQL is one, where we are root.
    """
    with tempfile.TemporaryDirectory(prefix="auteur-journeys-") as folder:
        var = Path(folder) / "var"
        create_folders(var)
        running = JourneyStack(var, {**UNLIMITED, **settings})
        try:
            running.wait_until_ready()
            yield running
        finally:
            running.stop()


@pytest.fixture(scope="package")
def world() -> World:
    """Stripe, that sells a plan and a pack."""
    return shop.opened()


@pytest.fixture(scope="package")
def local_stack(world: World) -> Iterator[JourneyStack]:
    """Calls run on a worker of its own; credits are sold."""
    with served(world) as url, started(shop.settings(url)) as running:
        yield running


@pytest.fixture(scope="package")
def peer() -> Iterator[Peer]:
    """A control plane of Modal that really runs what it is asked for."""
    with serving() as running:
        running.plays(Scenario.RUN)
        yield running


@pytest.fixture(scope="package")
def modal_stack(peer: Peer) -> Iterator[JourneyStack]:
    """Calls run at Modal."""
    settings = {
        "INFERENCE_BACKEND": "modal",
        "MODAL_TOKEN_ID": "ak-journey",
        "MODAL_TOKEN_SECRET": "as-journey",
        "MODAL_SERVER_URL": peer.url,
    }
    with started(settings) as running:
        yield running


@pytest.fixture(scope="package")
def rabbitmq_stack() -> Iterator[JourneyStack]:
    """Celery's messages go through RabbitMQ; there are jobs that only take their time."""
    if rabbitmq.find_installation() is None and os.environ.get("BROKER") != "amqp":
        pytest.skip("RabbitMQ is not here: install rabbitmq-server, or let BROKER=amqp fetch it")
    with started({"BROKER": "amqp", "AUTEUR_PLUGINS": str(BASE_DIR / "tests/plugins")}) as running:
        yield running


@pytest.fixture
def stack(request: pytest.FixtureRequest) -> JourneyStack:
    """The local one, if a test does not ask for others (`tests.journeys.backends`)."""
    running: JourneyStack = request.getfixturevalue(getattr(request, "param", "local_stack"))
    return running


@pytest.fixture(scope="package")
def people() -> Callable[[JourneyStack], People]:
    """Of each stack that runs."""
    return cache(People)


@pytest.fixture
def person(stack: JourneyStack, people: Callable[[JourneyStack], People]) -> Person:
    """A new user with ten credits."""
    return Person(stack, people(stack).new(CREDITS))


@pytest.fixture
def project_id(person: Person) -> str:
    return str(person.post("/projects", {"name": "Journey"})["id"])


@pytest.fixture(scope="package")
def long_recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Work for long enough to be interrupted."""
    return repeated(tmp_path_factory.mktemp("recordings") / "long.wav", times=1)
