"""`manage.py streams publish` as a process: killed, ended, and followed by another."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from auteur.devstack.processes import BASE_DIR
from jobs.events import log
from jobs.failpoints import VARIABLE
from jobs.integrations.streams import cursor
from tests.auteur.core.database.conftest import url_of
from tests.auteur.live.running import make_job, make_user, say
from tests.waiting import until

pytestmark = pytest.mark.django_db(transaction=True)

Start = Callable[[], "subprocess.Popen[str]"]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start a publisher on the test's database."""
    environment = {**os.environ, "DATABASE_URL": url_of(), VARIABLE: str(tmp_path)}
    started: list[subprocess.Popen[str]] = []
    texts = tmp_path / "said.log"

    def start() -> "subprocess.Popen[str]":
        with texts.open("a") as output:
            process = subprocess.Popen(
                [sys.executable, "manage.py", "streams", "publish", "--json"],
                cwd=BASE_DIR,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=output,
                text=True,
            )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()
    assert "Traceback" not in texts.read_text()


def test_a_kill_repeats_and_passes_nothing_and_an_end_lets_another_go_on(
    start, store, read, tmp_path
):
    (tmp_path / "before_cursor_moved").touch()
    job = make_job(make_user())
    say(job, "requested", "started")
    first, second = start(), start()
    killed = until(
        lambda: [item for item in (first, second) if item.poll() is not None], seconds=30
    )
    assert killed[0].returncode == -signal.SIGKILL
    until(lambda: len(read("analytics.events")) == 4, seconds=20)
    assert [value["seq"] for value in read("analytics.events")] == [1, 2, 1, 2]
    until(lambda: cursor.select_row().get().position == log.get_last_position())
    living = second if killed[0] is first else first
    say(job, "completed")
    until(lambda: len(read("analytics.events")) == 5)
    living.send_signal(signal.SIGTERM)
    texts, _ = living.communicate(timeout=15)
    assert living.returncode == 0
    assert texts == f'{{"position":{log.get_last_position()}}}\n'
    assert cursor.select_row().get().holder is None
