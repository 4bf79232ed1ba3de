"""The main job with its calls at Modal: the demo against a stack whose backend is Modal's."""

from tests.journeys.stack import JourneyStack
from tests.journeys.test_demo import run_demo
from tests.modal_peer.serving import Peer


def test_the_demo_runs_on_modal(modal_stack: JourneyStack, peer: Peer) -> None:
    before = len(peer.book.calls)
    done = run_demo(modal_stack)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Speaker 2" in done.stdout
    assert "the error is clear: INPUT_INVALID" in done.stdout
    assert "the history shows usage and refund" in done.stdout
    calls = [call.function for call in peer.book.calls.values()][before:]
    assert calls == ["transcription"] * 2
    assert peer.book.tokens == {("ak-journey", "as-journey")}
