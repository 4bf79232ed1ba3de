"""`manage.py partner_consumer` as a process, killed and told to end, and commands beside it."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from auteur.devstack.processes import BASE_DIR
from jobs.failpoints import VARIABLE
from jobs.integrations.partners.models import Partner
from jobs.models import Job
from tests.auteur.core.database.conftest import url_of
from tests.jobs.integrations.partners.conftest import Platform, hurry, work_on
from tests.waiting import until

Start = Callable[[], "subprocess.Popen[bytes]"]


@pytest.fixture
def start(tmp_path: Path, settings: Any) -> Iterator[Start]:
    """Start a consumer on the test's database."""
    environment = {**os.environ, "DATABASE_URL": url_of(), VARIABLE: str(tmp_path)}
    started: list[subprocess.Popen[bytes]] = []
    texts = tmp_path / "said.log"

    def start() -> "subprocess.Popen[bytes]":
        with texts.open("ab") as output:
            command = [sys.executable, "manage.py", "partner_consumer"]
            process = subprocess.Popen(command, cwd=BASE_DIR, env=environment, stderr=output)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
    assert "Traceback" not in texts.read_text()


@pytest.fixture
def busy() -> Iterator[None]:
    """Workers in a thread."""
    stop = threading.Event()

    def work() -> None:
        while not stop.wait(0.1):
            work_on()
            hurry()
        connection.close()

    thread = threading.Thread(target=work)
    thread.start()
    yield
    stop.set()
    thread.join()


@pytest.mark.django_db(transaction=True)
def test_a_kill_before_it_is_known_that_an_answer_was_sent_sends_none_twice(
    partner: Partner, platform: Platform, start: Start, busy: None, tmp_path: Path
):
    (tmp_path / "partner.sent").touch()
    first = start()
    output_text = StringIO()

    def ask() -> None:
        url = platform.source.url()
        options = {"partner": partner.name, "url": url, "video_id": "t1", "timeout": 60.0}
        call_command("send_test_video", json=True, stdout=output_text, **options)
        connection.close()

    asking = threading.Thread(target=ask)
    asking.start()
    assert first.wait(60) == -signal.SIGKILL
    assert len(platform.hears()) == 1
    second = start()
    asking.join(60)
    answer = json.loads(output_text.getvalue())
    assert (answer["video_id"], answer["error"], answer["on_the_broker"]) == ("t1", None, True)
    assert len(platform.hears()) == Job.objects.count() == 1
    until(lambda: platform.waiting() == 0, seconds=10)
    second.send_signal(signal.SIGTERM)
    assert second.wait(60) == 0


@pytest.mark.django_db
class TestCommands:
    def run(self, name: str, *given: str) -> Any:
        output_text = StringIO()
        call_command(name, *given, "--json", stdout=output_text)
        return json.loads(output_text.getvalue())

    def test_partners_are_listed_with_what_is_open(self, partner, platform, consumer):
        platform.asks()
        consumer.round()
        (row,) = self.run("partners", "list")
        assert (row["partner"], row["requests"], row["open"]) == (partner.name, 1, 1)

    def test_a_broker_is_tried(self, partner, make_partner):
        assert self.run("partners", "check") == [{"partner": partner.name, "ok": True}]
        partner.connection_settings = {"url": "redis://:secret@127.0.0.1:1/0"}
        partner.save()
        output_text = StringIO()
        with pytest.raises(SystemExit):
            call_command("partners", "check", stdout=output_text)
        assert "problem" in output_text.getvalue()
        assert "secret" not in output_text.getvalue()

    def test_dead_letters_are_listed_and_sent_again(self, partner, platform, consumer):
        platform.says(b"poison")
        consumer.round()
        (letter,) = self.run("partners", "dead-letters", "--partner", partner.name)
        assert letter["reason"] == "The message is not JSON, or has a name twice."
        assert self.run("partners", "send-again") == [{"partner": partner.name, "sent": 1}]
        assert platform.store.xlen(partner.dead_letter_topic) == 0

    @pytest.mark.parametrize("command", ["partner_consumer", "partners list", "send_test_video"])
    def test_who_is_no_partner_is_told(self, command):
        more = ["--url", "https://cdn.example/a.mp4"] if command == "send_test_video" else []
        with pytest.raises(CommandError, match="There is no partner 'nobody'"):
            call_command(*command.split(), "--partner", "nobody", *more)

    def test_a_video_that_nobody_reads_is_told(self, partner):
        values = ["--partner", partner.name, "--url", "https://cdn.example/a.mp4", "--timeout", "0"]
        with pytest.raises(CommandError, match="Start partner_consumer"):
            call_command("send_test_video", *values)
