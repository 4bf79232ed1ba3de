"""The stand-in for Modal as a process of its own, asked by the unmodified client."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import modal
import pytest

from auteur.devstack.processes import BASE_DIR
from gpu_tasks.runtime.callback import Callback
from gpu_tasks.runtime.contract import Outcome
from tests.gpu_tasks.peer import Peer, serving
from tests.jobs.calls.backends.calls import noop
from tests.modal_peer.scenario import Scenario, Script
from tests.waiting import until

SECONDS = 60.0


@contextmanager
def running(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A peer as a process; its first line tells where it is."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.modal_peer", *arguments],
        cwd=BASE_DIR,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(SECONDS)
        process.stdout.close()


@pytest.fixture
def api() -> Iterator[Peer]:
    with serving() as peer:
        yield peer


def client_of(process: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch) -> modal.Client:
    url = process.stdout.readline().split()[-1]
    monkeypatch.setenv("MODAL_SERVER_URL", url)
    return modal.Client.from_credentials("ak-any", "as-any")


@pytest.mark.parametrize("scenario", ["run", "report"])
def test_a_process_takes_calls_and_reports_them(
    api: Peer, monkeypatch: pytest.MonkeyPatch, scenario: str
):
    call = noop(callback_url=api.url("/callback"))
    with running("--scenario", scenario, "--seconds", "0.1") as process:
        client = client_of(process, monkeypatch)
        function = modal.Function.from_name("auteur", "noop", client=client)
        started = function.spawn(call.payload.model_dump(mode="json"), "draft", "key")
        outcome = Outcome.model_validate(started.get(timeout=SECONDS))
        client.close()
    assert outcome.result == {}
    report = Callback.model_validate_json(until(lambda: api.posts[-1:], SECONDS)[0][1])
    assert report.call_id == started.object_id
    assert (report.kind, report.outcome) == ("outcome", outcome)
    assert process.returncode == 0


def test_a_process_that_is_told_to_stop_leaves_nothing_running(monkeypatch: pytest.MonkeyPatch):
    with running("--scenario", "run") as process:
        client = client_of(process, monkeypatch)
        function = modal.Function.from_name("auteur", "noop", client=client)
        function.spawn(noop(seconds=1.0).payload.model_dump(mode="json"), "draft", "key")
        client.close()
    assert process.returncode == 0
    with pytest.raises(ProcessLookupError):
        os.kill(process.pid, 0)


def test_a_mixture_of_scenarios_is_read():
    script = Script.read(["run", "oom=0.1", "never=0.3"])
    assert script.shares == pytest.approx(
        {Scenario.RUN: 0.6, Scenario.OOM: 0.1, Scenario.NEVER: 0.3}
    )
    assert script.only is None
    assert {script.next() for _ in range(500)} == {*script.shares}


def test_without_a_word_all_goes_well():
    assert Script.read([]).only is Scenario.SUCCESS


@pytest.mark.parametrize("wrong", ["nonsense", "oom=much"])
def test_an_unknown_scenario_is_refused(wrong: str):
    with pytest.raises(ValueError, match=r"nonsense|much"):
        Script.read([wrong])
