"""Course platforms over their own brokers, and processes of ours that are killed meanwhile."""

import json
import subprocess
import sys
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, Self

import pytest

from auteur.devstack.processes import BASE_DIR
from jobs.integrations.partners.transports import connect
from tests.jobs.integrations.partners.transports import brokers
from tests.jobs.integrations.partners.transports.brokers import Broker
from tests.journeys.recordings import beginning
from tests.journeys.stack import JourneyStack
from tests.media.imports.source import File, Source, plain
from tests.properties import LONG
from tests.waiting import until

pytestmark = [pytest.mark.xdist_group("stack"), pytest.mark.property]

SECONDS = 150.0
VIDEOS, VIDEO_SECONDS = (2, 30) if LONG else (1, 6)
LOG = "consumers.log"
CREDITS = 200
ANSWERS = {"update_transcribe", "finish_compress"}
MAKE = """
import json
from accounts.models import User
from jobs.integrations.partners.models import Partner
for values, connection in json.loads('''{partners}'''):
    partner = Partner(user=User.objects.get(email="{email}"), **values)
    partner.connection_settings = connection
    partner.full_clean()
    partner.save()
"""


class Platform:
    """The example of a course platform, over one transport, and what it has heard."""

    def __init__(self, broker: Broker, folder: Path) -> None:
        self.broker = broker
        self.partner = f"{broker.transport}-{uuid.uuid4().hex[:8]}"
        self._output = folder / f"{self.partner}.heard"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def asks(self, *videos: str) -> None:
        """Have them worked on; it ends once all are answered. Returns when its topics are there."""
        with self._output.open("wb") as output:
            command = brokers.example(self.broker, *videos)
            self._process = subprocess.Popen(command, stdout=output, stderr=output)
        broker = self.broker
        topics = ["Transcribe", "Compress"]
        with closing(
            connect(broker.transport, broker.connection, topics=topics, group="platform")
        ) as seen:
            brokers.wait_for_topics(seen)

    def said(self) -> str:
        """All that it has printed so far."""
        return self._output.read_text()

    def answers(self) -> list[dict[str, str]]:
        """What it heard, once it has ended."""
        assert self._process is not None
        assert self._process.wait(SECONDS) == 0, self.said()
        return [json.loads(line) for line in self.said().splitlines()]


@pytest.fixture
def platforms(stack: JourneyStack, tmp_path: Path) -> Iterator[list[Platform]]:
    """One for each transport whose broker this machine has; their accounts have credits."""
    email = f"academies-{uuid.uuid4().hex[:8]}@example.com"
    stack.manage("issue_token", "--email", email)  # which makes the user
    stack.manage("grant_credits", "--email", email, "--amount", str(CREDITS))
    with ExitStack() as opened:
        enter = opened.enter_context
        there = [enter(brokers.running(name, tmp_path)) for name in ("redis", "kafka")]
        created = [enter(Platform(broker, tmp_path)) for broker in there]
        partners = json.dumps([(_values(first), first.broker.connection) for first in created])
        stack.manage("shell", "-c", MAKE.format(partners=partners, email=email))
        yield created


def _values(platform: Platform) -> dict[str, str]:
    name = platform.partner
    return {"name": name, "captions_folder": name, "transport": platform.broker.transport}


@pytest.fixture
def serve(stack: JourneyStack, tmp_path: Path) -> Iterator[Callable[[], "subprocess.Popen[bytes]"]]:
    """Starts a process that serves all partners."""
    running = []

    def start() -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-m", "tests.journeys.partner_consumer"]
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
    platforms: list[Platform], stack: JourneyStack, serve, tmp_path: Path
):
    log = tmp_path / LOG
    with Source() as source:
        recording = beginning(tmp_path / "film.mp4", VIDEO_SECONDS)
        film = source.serves("/film.mp4", File(recording.read_bytes()))
        page = source.serves("/page", plain(200, b"<html>", content_type="text/html"))
        videos = [f"lesson-{number}={film}?lesson={number}" for number in range(VIDEOS)]
        for platform in platforms:
            platform.asks(*videos, f"page={page}")
        serving = [serve(), serve()]
        for moment in _moments(platforms, log):
            until(moment, SECONDS)
            for process in serving:
                process.kill()
            serving = [serve(), serve()]
        stack.process("orchestrator").kill()
        answers = [platform.answers() for platform in platforms]
    expected = {(topic, f"lesson-{number}") for topic in ANSWERS for number in range(VIDEOS)}
    expected |= {("transcribe_failed", "page"), ("compress_failed", "page")}
    for heard in answers:
        assert sorted((first["topic"], first["video_id"]) for first in heard) == sorted(expected)
        for first in heard:
            _check(first)


def _moments(platforms: list[Platform], log: Path) -> Iterator[Callable[[], bool]]:
    """When all processes that serve partners are killed."""
    if LONG:  # what was read and not yet acknowledged waits until its reader is taken for lost
        yield lambda: "jobs.integrations.partners.intake" in log.read_text()
    yield lambda: all(f" of {platform.partner}: " in log.read_text() for platform in platforms)
    yield lambda: any("update_transcribe" in platform.said() for platform in platforms)


def _check(answer: dict[str, Any]) -> None:
    if answer["topic"] == "finish_compress":
        with urllib.request.urlopen(answer["value"], timeout=20) as results:  # noqa: S310
            assert results.read(12)[4:8] == b"ftyp"
        return
    report = json.loads(answer["value"])
    assert report["video_id"] == answer["video_id"]
    if answer["topic"] == "update_transcribe":
        assert set(report["transcription"]) == {"duration", "language", "words"}
        assert set(report["transcription"]["words"][0]) == {"text", "start", "end"}
    else:
        assert report["error"]["code"] == "web_page"
