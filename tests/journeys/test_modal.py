"""The main job with its calls at Modal: the demo against a stack whose backend is Modal's."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.journeys.stack import JourneyStack
from tests.journeys.test_demo import run_demo
from tests.modal_peer.scenario import Scenario
from tests.modal_peer.serving import Peer, serving


@pytest.fixture
def peer() -> Iterator[Peer]:
    """A control plane that really runs what it is asked for."""
    with serving() as running:
        running.plays(Scenario.RUN)
        yield running


@pytest.fixture
def stack_on_modal(peer: Peer, monkeypatch: pytest.MonkeyPatch) -> Iterator[JourneyStack]:
    settings = {
        "INFERENCE_BACKEND": "modal",
        "MODAL_TOKEN_ID": "ak-journey",
        "MODAL_TOKEN_SECRET": "as-journey",
        "MODAL_SERVER_URL": peer.url,
    }
    with tempfile.TemporaryDirectory(prefix="auteur-modal-") as folder:
        running = JourneyStack(Path(folder) / "var", settings)
        try:
            running.wait_until_ready()
            monkeypatch.setenv("GPU_CALLBACK_SECRET", running.env["GPU_CALLBACK_SECRET"])
            yield running
        finally:
            running.stop()


def test_the_demo_runs_on_modal(stack_on_modal: JourneyStack, peer: Peer) -> None:
    done = run_demo(stack_on_modal)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Speaker 2" in done.stdout
    assert "the error is clear: INPUT_INVALID" in done.stdout
    assert "the history shows usage and refund" in done.stdout
    assert [call.function for call in peer.book.calls.values()] == ["transcription"] * 2
    assert peer.book.tokens == {("ak-journey", "as-journey")}
