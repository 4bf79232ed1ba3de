"""Messages that no worker can read: they are set aside and shown, and the worker goes on."""

import base64
import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import redis
from celery import current_app
from django.conf import settings
from django.core.management import call_command
from django.db import OperationalError, connection

from auteur import dead_letters
from auteur.consumer import find_defect
from auteur.dead_letters import Defect
from auteur.devstack.processes import BASE_DIR
from jobs import tasks, workflow
from jobs.states import COMPLETED_QUEUE
from tests.waiting import until

SECRET = "a secret in a message"
ID = str(uuid.UUID(int=7))


@pytest.fixture(autouse=True)
def letters() -> Iterator[None]:
    """No letters before and afterwards."""
    dead_letters._get_client.cache_clear()
    dead_letters.delete_dead_letters()
    yield
    dead_letters.delete_dead_letters()


@pytest.fixture
def worker(tmp_path: Path, transactional_db: None) -> Iterator[Path]:
    """The log of a running `worker steps`."""
    log = tmp_path / "worker.log"
    address = os.environ["DATABASE_URL"].rsplit("/", 1)[0]
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "worker", "steps", "--concurrency", "1"],
            cwd=BASE_DIR,
            env={
                **os.environ,
                "DATABASE_URL": f"{address}/{connection.settings_dict['NAME']}",
                "LOG_LEVEL": "INFO",
            },
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        until(lambda: " ready." in log.read_text(), 180.0)
        yield log
        assert process.poll() is None, log.read_text()
    finally:
        process.terminate()
        try:
            process.wait(60.0)
        finally:
            process.kill()


def envelope(**changes: Any) -> str:
    """A message of ours as it lies in Redis; ``changes`` are made to it, None removes."""
    message = {
        "body": body([[[ID]], {}, {}]),
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": {"id": str(uuid.uuid4()), "task": "jobs.finalize", "lang": "py"},
        "properties": {
            "body_encoding": "base64",
            "delivery_info": {"exchange": "", "routing_key": COMPLETED_QUEUE},
            "delivery_tag": str(uuid.uuid4()),
        },
    }
    return json.dumps({k: v for k, v in (message | changes).items() if v is not None})


def body(content: Any) -> str:
    return base64.b64encode(json.dumps(content).encode()).decode()


POISON: list[tuple[str | bytes, Defect]] = [
    (SECRET, Defect.NOT_A_MESSAGE),
    (b"\xff\xfe\x00", Defect.NOT_A_MESSAGE),
    ("5", Defect.NOT_A_MESSAGE),
    ("[]", Defect.NOT_A_MESSAGE),
    ("{}", Defect.NOT_A_MESSAGE),
    ("[" * 100_000, Defect.NOT_A_MESSAGE),
    (envelope(properties={"delivery_tag": "1", "body_encoding": "rot13"}), Defect.NOT_A_MESSAGE),
    (envelope(headers=None), Defect.UNKNOWN_TASK),
    (envelope(headers={"id": ID, "task": ["jobs.finalize"]}), Defect.UNKNOWN_TASK),
    (envelope(headers={"id": ID, "task": "jobs.unheard_of"}), Defect.UNKNOWN_TASK),
    (envelope(headers={"task": "jobs.finalize"}), Defect.BAD_BODY),
    (envelope(body=body(5)), Defect.BAD_BODY),
    (envelope(body=body([[["no id"]], {}, {}])), Defect.BAD_BODY),
    (envelope(body=body([[[ID]], {}, None])), Defect.BAD_BODY),
    (envelope(body=base64.b64encode(b"no JSON").decode()), Defect.BAD_BODY),
    (envelope(**{"content-type": "application/x-python-serialize"}), Defect.BAD_BODY),
]


def test_a_worker_sets_aside_what_it_cannot_read_and_goes_on(worker: Path) -> None:
    client = redis.Redis.from_url(settings.REDIS_URL)
    for element, _ in POISON:
        client.lpush(COMPLETED_QUEUE, element)
    until(lambda: dead_letters.count_dead_letters() == len(POISON), 120.0)
    letters = dead_letters.list_dead_letters()
    assert [letter.defect for letter in reversed(letters)] == [defect for _, defect in POISON]
    assert {letter.queue for letter in letters} == {COMPLETED_QUEUE}
    assert letters[-1].content == SECRET
    assert all(len(letter.content) <= dead_letters.MAX_CONTENT_BYTES for letter in letters)

    following = current_app.send_task("jobs.finalize", [[ID]], queue=COMPLETED_QUEUE)
    until(lambda: f"jobs.finalize[{following.id}] succeeded" in worker.read_text(), 60.0)
    log = worker.read_text()
    assert log.count("cannot be read") == len(POISON)
    assert "Unrecoverable" not in log
    assert SECRET not in log
    until(lambda: client.hlen("unacked") == 0, 10.0)


def test_only_the_newest_are_kept_and_they_are_shown(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(dead_letters, "MAX_LETTERS", 3)
    for number in range(5):
        content = f"{number}".encode() * (dead_letters.MAX_CONTENT_BYTES + 1)
        dead_letters.store_dead_letter(queue="steps", defect=Defect.BAD_BODY, content=content)
    letters = dead_letters.list_dead_letters()
    assert [letter.content[0] for letter in letters] == ["4", "3", "2"]
    assert {len(letter.content) for letter in letters} == {dead_letters.MAX_CONTENT_BYTES}
    assert [record.levelname for record in caplog.records] == ["ERROR"] * 5
    output = StringIO()
    call_command("dead_letters", "--clear", stdout=output)
    assert "3 messages, deleted" in output.getvalue()
    assert dead_letters.count_dead_letters() == 0


def test_with_redis_away_a_worker_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "REDIS_URL", "redis://127.0.0.1:1/0")
    dead_letters._get_client.cache_clear()
    try:
        dead_letters.store_dead_letter(queue="steps", defect=Defect.BAD_BODY, content=b"x")
    finally:
        monkeypatch.undo()
        dead_letters._get_client.cache_clear()


@pytest.mark.parametrize("arguments", [[ID], [[ID]], [[ID, ID]]])
def test_messages_of_ours_can_be_read(arguments: list[Any]) -> None:
    message = SimpleNamespace(
        headers={"id": "1", "task": "jobs.finalize"}, payload=[arguments, {}, {"chain": None}]
    )
    assert find_defect(message, {"jobs.finalize"}) is None
    assert find_defect(message, set()) == Defect.UNKNOWN_TASK


@pytest.mark.parametrize(
    "payload",
    [
        None,
        5,
        "text",
        [],
        [[[ID]], {}],
        [[], {}, {}],
        [[[]], {}, {}],
        [[ID, ID], {}, {}],
        [[[5]], {}, {}],
        [[[ID, "x"]], {}, {}],
        [[[ID]], {"a": 1}, {}],
        [[[ID]], {}, []],
        [{"a": ID}, {}, {}],
    ],
)
def test_arguments_that_no_task_of_ours_has_are_a_defect(payload: Any) -> None:
    message = SimpleNamespace(headers={"id": "1", "task": "jobs.finalize"}, payload=payload)
    assert find_defect(message, {"jobs.finalize"}) == Defect.BAD_BODY


@pytest.mark.django_db
@pytest.mark.parametrize("args", [[["no id"]], [[5, None, ID]], ["no id"], [], [{}]])
@pytest.mark.parametrize("error", [ValueError("x"), OperationalError("away")])
def test_a_bad_id_does_not_make_on_failure_raise(
    monkeypatch: pytest.MonkeyPatch, args: list[Any], error: Exception
) -> None:
    monkeypatch.setattr(workflow, "RELEASE_PAUSE_SECONDS", 0.0)
    for task in (tasks.prepare, tasks.collect, tasks.finalize):
        task.on_failure(error, "", args, {}, None)
