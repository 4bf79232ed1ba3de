"""The process `live`, and clients that listen to it."""

import http.client
import json
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping
from datetime import timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any, NamedTuple, Self
from uuid import UUID

from django.db.models.functions import Now
from django.utils import timezone
from websockets.sync.client import ClientConnection, connect

from accounts.models import User
from auteur.devstack import ports
from auteur.devstack.processes import BASE_DIR, has_ok_answer
from jobs.events.numbering import number_events
from jobs.models import Event, Job
from jobs.states import JobStatus
from tests.conftest import bearer
from tests.waiting import until

WAIT_SECONDS = 30.0
PROGRAM = (
    "import os, django; os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'auteur.settings');"
    "django.setup();"
    "from auteur.live import __main__, connection;"
    "connection.LINGER_SECONDS = 600.0;"  # a busy machine reads late why it was dropped
    "__main__.main()"
)


class Live:
    """One process at a port that stays, however often it is killed."""

    def __init__(self, said: Path, environ: Mapping[str, str]) -> None:
        (self.port,) = ports.find_free_ports(1)
        self.said = said
        self._environ = environ
        self.start()

    def start(self) -> None:
        with self.said.open("a") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-c", PROGRAM, "--bind", f"127.0.0.1:{self.port}"],
                cwd=BASE_DIR,
                env={**os.environ, **self._environ},
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        until(lambda: has_ok_answer(self.port, "/health/live"), seconds=60)

    def wait_until_ready(self, who: User) -> None:
        """Until it hears what happens: streams are refused before."""

        def opens() -> bool:
            with self.get("/events", who, Accept="text/event-stream") as response:
                return response.status == HTTPStatus.OK

        until(opens)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def terminate(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    def get(self, path: str, who: User | None = None, **headers: str) -> http.client.HTTPResponse:
        """An answer whose body is still to be read."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=WAIT_SECONDS)
        if who is not None:
            headers.setdefault("Authorization", f"Bearer {token_of(who)}")
        connection.request("GET", path, headers=headers)
        return connection.getresponse()

    def ask(self, path: str, who: User | None = None, **headers: str) -> tuple[int, Any]:
        with self.get(path, who, **headers) as response:
            return response.status, json.loads(response.read() or b"null")

    def stream(self, path: str, who: User, **headers: str) -> "Stream":
        return Stream(self.get(path, who, Accept="text/event-stream", **headers))

    def socket(self, **options: Any) -> ClientConnection:
        options = {"compression": None, "open_timeout": WAIT_SECONDS} | options
        return connect(self.socket_url, **options)

    @property
    def socket_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/ws/jobs"


class Message(NamedTuple):
    """Of a stream."""

    event: str
    id: str | None
    data: Any


class Stream:
    """Reads server-sent events."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.response = response
        assert response.status == 200, response.read()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.response.close()

    def __iter__(self) -> Iterator[Message]:
        return self

    def __next__(self) -> Message:
        fields: dict[str, str] = {}
        while line := self.response.readline().decode():
            if line == "\n":
                if "data" in fields:
                    data = json.loads(fields["data"])
                    return Message(fields["event"], fields.get("id"), data)
                continue
            name, _, value = line.rstrip("\n").partition(": ")
            fields[name] = value
        raise StopIteration


def token_of(user: User, **claims: Any) -> str:
    return bearer(user.pk, user.email, **claims)


def make_user() -> User:
    return User.objects.create(email=f"{uuid.uuid4().hex}@example.com")


def make_job(user: User) -> Job:
    return Job.objects.create(
        user=user,
        type="transcription",
        gpu_class="L4",
        credits_cost=0,
        price_version="test",
        start_deadline_at=timezone.now() + timedelta(hours=1),
    )


def tell(job: Job, *types: str) -> None:
    """Events of a job, in the outbox."""
    Event.objects.bulk_create(Event(job_id=job.pk, user_id=job.user_id, type=t) for t in types)


def say(job: Job, *types: str) -> None:
    """Events of a job, in the log."""
    tell(job, *types)
    while Event.objects.exists():
        number_events()


def end(job: Job) -> None:
    """The job is cancelled."""
    Job.objects.filter(pk=job.pk).update(
        status=JobStatus.CANCELLED, wake_at=None, completed_at=Now()
    )
    say(job, "cancelled")


def progress(job: Job, percent: int) -> dict[str, Any]:
    """A message of the channel."""
    result = {"stage": None, "message": None, "eta_at": None}
    how_far = {"progress": percent, "progress_fraction": percent / 100}
    return {"user_id": str(job.user_id), "job_id": str(job.pk), "type": job.type} | result | how_far


def job_id_of(event: Mapping[str, Any]) -> UUID:
    return UUID(event["data"]["job_id"])
