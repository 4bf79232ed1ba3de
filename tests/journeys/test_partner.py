"""A course platform over its own broker, and processes of ours that are killed meanwhile."""

import json
import subprocess
import sys
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from auteur.devstack.processes import BASE_DIR
from tests.journeys.client import Person
from tests.journeys.recordings import INTERVIEW
from tests.journeys.stack import JourneyStack
from tests.media.imports.source import File, Source, plain
from tests.partners.transports import brokers
from tests.partners.transports.brokers import Broker
from tests.properties import LONG
from tests.waiting import until

pytestmark = [pytest.mark.xdist_group("stack"), pytest.mark.property]

SECONDS = 150.0
VIDEOS = 2
LOG, HEARD = "consumers.log", "heard"
CREDITS = 50
MOMENTS = [("requested: ", LOG), ("update_transcribe", HEARD)]
"""When all processes that serve the partner are killed: once this stands in that file."""
if LONG:  # what was read and not yet acknowledged waits until its reader is taken for lost
    MOMENTS.insert(0, ("jobs.partners.intake", LOG))
ANSWERS = {"update_transcribe", "finish_compress"}
MAKE = """
import json
from accounts.models import User
from jobs.partners.models import Partner
partner = Partner(name="{name}", user=User.objects.get(email="{email}"), transport="{transport}")
partner.captions_folder = "{name}"
partner.connection_settings = json.loads('''{connection}''')
partner.full_clean()
partner.save()
"""


@pytest.fixture(params=["redis", "amqp"] if LONG else ["redis"])
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Broker]:
    with brokers.running(request.param, tmp_path) as broker:
        yield broker


@pytest.fixture
def partner(stack: JourneyStack, broker: Broker) -> str:
    """The name of one with credits."""
    name = f"academy-{uuid.uuid4().hex[:8]}"
    email = f"{name}@example.com"
    Person(stack, email)
    stack.manage("grant_credits", "--email", email, "--amount", str(CREDITS))
    connection = json.dumps(broker.connection)
    values = {"name": name, "email": email, "transport": broker.transport}
    stack.manage("shell", "-c", MAKE.format(connection=connection, **values))
    return name


@pytest.fixture
def serve(
    stack: JourneyStack, partner: str, tmp_path: Path
) -> Iterator[Callable[[], "subprocess.Popen[bytes]"]]:
    """Starts a process that serves the partner."""
    running = []

    def start() -> "subprocess.Popen[bytes]":
        command = [sys.executable, "manage.py", "partner_consumer", "--partner", partner]
        with (tmp_path / LOG).open("ab") as log:
            running.append(
                subprocess.Popen(command, cwd=BASE_DIR, env=stack.env, stdout=log, stderr=log)
            )
        return running[-1]

    yield start
    for process in running:
        process.kill()
        process.wait()


def test_every_video_is_answered_once_whoever_is_killed(
    broker: Broker, stack: JourneyStack, serve, tmp_path: Path
):
    with Source() as source:
        film = source.serves("/film.mp4", File(INTERVIEW.read_bytes()))
        page = source.serves("/page", plain(200, b"<html>", content_type="text/html"))
        videos = [f"lesson-{number}={film}?lesson={number}" for number in range(VIDEOS)]
        serving = [serve(), serve()]
        heard = tmp_path / HEARD
        with heard.open("w") as output:
            asking = subprocess.Popen(
                brokers.example(broker, *videos, f"page={page}"), stdout=output, stderr=output
            )
        try:
            for text, name in MOMENTS:
                _until_told(text, tmp_path / name)
                for process in serving:
                    process.kill()
                serving = [serve(), serve()]
            stack.process("orchestrator").kill()
            assert asking.wait(SECONDS) == 0, heard.read_text()
        finally:
            asking.kill()
            asking.wait()
    answers = [json.loads(line) for line in heard.read_text().splitlines()]
    expected = {(topic, f"lesson-{number}") for topic in ANSWERS for number in range(VIDEOS)}
    expected |= {("transcribe_failed", "page"), ("compress_failed", "page")}
    assert sorted((one["topic"], one["video_id"]) for one in answers) == sorted(expected)
    for one in answers:
        _check(one)


def _until_told(text: str, file: Path) -> None:
    until(lambda: text in file.read_text(), SECONDS)


def _check(answer: dict[str, Any]) -> None:
    if answer["topic"] == "finish_compress":
        with urllib.request.urlopen(answer["value"], timeout=20) as found:  # noqa: S310
            assert found.read(12)[4:8] == b"ftyp"
        return
    told = json.loads(answer["value"])
    assert told["video_id"] == answer["video_id"]
    if answer["topic"] == "update_transcribe":
        assert set(told["transcription"]) == {"duration", "language", "words"}
        assert set(told["transcription"]["words"][0]) == {"text", "start", "end"}
    else:
        assert told["error"]["code"] == "web_page"
