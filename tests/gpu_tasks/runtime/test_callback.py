"""The signed callback: what is believed, and how reports are sent to a real HTTP server."""

import hashlib
import hmac
import json
import time
from collections.abc import Callable
from uuid import UUID

import pytest
import requests
from pydantic import SecretStr, ValidationError

from gpu_tasks.runtime import callback
from gpu_tasks.runtime.callback import (
    ATTEMPT_HEADER,
    OUTCOME_TRIES,
    PROGRESS_INTERVAL_SECONDS,
    REPLAY_WINDOW_SECONDS,
    SIGNATURE_HEADER,
    TIMESTAMP_HEADER,
    Callback,
    OutputRequest,
    Reporter,
    compute_signature,
    derive_attempt_key,
    is_authentic,
)
from gpu_tasks.runtime.contract import EngineInfo, Failure, Outcome, OutputFile, Payload
from gpu_tasks.runtime.errors import EngineError, ErrorCode, StoppedError
from tests.gpu_tasks.peer import Peer

NOW = 1_760_000_000
BODY = b'{"kind":"progress"}'
JOB, ATTEMPT = UUID(int=1), UUID(int=2)
SECRET = "a secret of the tests"
KEY = derive_attempt_key(secret=SECRET, attempt_id=ATTEMPT)
MP4 = OutputFile(key="film", content_type="video/mp4")
DONE = Outcome(result={"words_count": 3}, engine=EngineInfo(name="draft", model="m"))


def authentic(
    *, key: SecretStr = KEY, sent: int | str = NOW, body: bytes = BODY, value: str | None = None
) -> bool:
    """Whether a report signed at ``sent`` with ``key`` is believed at ``NOW``."""
    value = compute_signature(key=key, timestamp=str(sent), body=BODY) if value is None else value
    return is_authentic(key=KEY, timestamp=str(sent), body=body, signature=value, now=float(NOW))


def reporter(peer: Peer) -> Reporter:
    payload = Payload(job_id=JOB, attempt_id=ATTEMPT, callback_url=peer.url("/callback"))
    return Reporter(payload=payload, call_id="call-1", key=KEY)


@pytest.fixture
def pass_time(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Let time pass for reporters, which it does not do by itself."""
    now = [time.monotonic()]
    monkeypatch.setattr(callback.time, "monotonic", lambda: now[0])

    def move(seconds: float) -> None:
        now[0] += seconds

    return move


def reports(peer: Peer) -> list[Callback]:
    return [Callback.model_validate_json(body) for _, body in peer.posts]


def test_the_signature_is_the_mac_of_timestamp_and_body():
    key = KEY.get_secret_value().encode()
    expected = hmac.new(key, b"1760000000." + BODY, hashlib.sha256).hexdigest()
    assert compute_signature(key=KEY, timestamp="1760000000", body=BODY) == expected


def test_each_attempt_has_a_key_of_its_own_that_is_not_shown():
    keys = [
        derive_attempt_key(secret=secret, attempt_id=attempt_id).get_secret_value()
        for secret in (SECRET, "another secret")
        for attempt_id in (ATTEMPT, JOB)
    ]
    assert len({*keys, SECRET}) == 5
    assert {len(key) for key in keys} == {64}
    visible = f"{KEY} {KEY!r} {vars(reporter(Peer()))}"
    assert KEY.get_secret_value() not in visible


def test_what_we_signed_just_now_is_believed():
    assert authentic()


@pytest.mark.parametrize("sent", [NOW - REPLAY_WINDOW_SECONDS, NOW + REPLAY_WINDOW_SECONDS])
def test_the_edge_of_the_window_is_believed(sent: int):
    assert authentic(sent=sent)


@pytest.mark.parametrize("sent", [NOW - REPLAY_WINDOW_SECONDS - 1, NOW + REPLAY_WINDOW_SECONDS + 1])
def test_outside_the_window_it_is_a_replay(sent: int):
    assert not authentic(sent=sent)


def test_an_altered_body_is_not_believed():
    assert not authentic(body=BODY + b" ")


@pytest.mark.parametrize(("secret", "attempt"), [("another secret", ATTEMPT), (SECRET, JOB)])
def test_another_key_is_not_believed(secret: str, attempt: UUID):
    assert not authentic(key=derive_attempt_key(secret=secret, attempt_id=attempt))


def test_another_timestamp_than_the_signed_one_is_not_believed():
    signed_before = compute_signature(key=KEY, timestamp=str(NOW - 1), body=BODY)
    assert not authentic(value=signed_before)


@pytest.mark.parametrize("value", ["", "00", "ä" * 64])
def test_what_is_no_signature_is_not_believed(value: str):
    assert not authentic(value=value)


@pytest.mark.parametrize("sent", ["", "soon", "-5", "1e9", "1760000000.5"])
def test_a_timestamp_that_is_no_number_is_not_believed(sent: str):
    assert not authentic(sent=sent)


def test_a_report_is_signed_and_names_job_attempt_and_call(peer: Peer):
    reporter(peer).progress(0.25)
    ((headers, body),) = peer.posts
    assert is_authentic(
        key=KEY,
        timestamp=headers[TIMESTAMP_HEADER],
        body=body,
        signature=headers[SIGNATURE_HEADER],
        now=time.time(),
    )
    assert headers["Content-Type"] == "application/json"
    assert json.loads(body) == {
        "kind": "progress",
        "job_id": str(JOB),
        "attempt_id": str(ATTEMPT),
        "call_id": "call-1",
        "progress": 0.25,
        "outcome": None,
    }


def test_progress_is_sent_at_most_once_an_interval(peer: Peer, pass_time: Callable[[float], None]):
    sender = reporter(peer)
    for share in range(50):
        sender.progress(share / 100)
    assert [report.progress for report in reports(peer)] == [0.0]
    pass_time(PROGRESS_INTERVAL_SECONDS)
    sender.progress(0.9)
    sender.outcome(DONE)
    assert [report.progress for report in reports(peer)] == [0.0, 0.9, 1.0]


def test_nobody_waits_for_progress_to_be_taken_but_for_the_first(
    peer: Peer, pass_time: Callable[[float], None]
):
    sender = reporter(peer)
    sender.progress(0.1)
    peer.answers.clear()
    for share in (0.2, 0.3, 0.4):  # with one unanswered, none is added
        pass_time(PROGRESS_INTERVAL_SECONDS)
        sender.progress(share)
    peer.answers.set()
    sender.outcome(DONE)
    assert [report.progress for report in reports(peer)] == [0.1, 0.2, 1.0]


def test_an_attempt_that_is_superseded_is_stopped_by_the_next_progress(
    peer: Peer, pass_time: Callable[[float], None]
):
    peer.statuses["/callback"] = [200, 409]
    sender = reporter(peer)
    sender.progress(0.1)
    pass_time(PROGRESS_INTERVAL_SECONDS)
    sender.progress(0.2)
    with pytest.raises(StoppedError):
        sender.outcome(DONE)
    with pytest.raises(StoppedError):
        sender.progress(0.3)


@pytest.mark.parametrize(("messages", "sent"), [(-0.5, 0.0), (1.5, 1.0)])
def test_progress_stays_between_nothing_and_all(peer: Peer, messages: float, sent: float):
    reporter(peer).progress(messages)
    assert reports(peer)[0].progress == sent


@pytest.mark.parametrize("status", [400, 500, 503])
def test_progress_that_is_not_taken_harms_nothing(peer: Peer, status: int):
    peer.statuses["/callback"] = [status]
    reporter(peer).progress(0.5)
    assert len(peer.posts) == 1


def test_progress_that_nobody_hears_harms_nothing():
    reporter(Peer(port=9)).progress(0.5)


@pytest.mark.parametrize("status", [404, 409, 410])
def test_an_attempt_that_is_no_longer_wanted_is_stopped(peer: Peer, status: int):
    peer.statuses["/callback"] = [status]
    with pytest.raises(StoppedError):
        reporter(peer).progress(0.5)


def test_the_outcome_arrives_whole(peer: Peer):
    failed = Outcome(error=Failure(code=ErrorCode.INPUT_INVALID, message="The file has no sound."))
    reporter(peer).outcome(failed)
    (report,) = reports(peer)
    assert report.kind == "outcome"
    assert report.outcome == failed
    assert report.progress == 1.0


def test_the_outcome_is_sent_even_right_after_progress(peer: Peer):
    sender = reporter(peer)
    sender.progress(0.99)
    sender.outcome(DONE)
    assert [report.kind for report in reports(peer)] == ["progress", "outcome"]


def test_the_outcome_is_tried_again_until_it_is_taken(peer: Peer):
    peer.statuses["/callback"] = [503, 200]
    reporter(peer).outcome(DONE)
    assert [report.outcome for report in reports(peer)] == [DONE, DONE]


def test_the_outcome_is_given_up_after_some_tries(peer: Peer):
    peer.statuses["/callback"] = [503]
    reporter(peer).outcome(DONE)
    assert len(peer.posts) == OUTCOME_TRIES


@pytest.mark.parametrize("status", [404, 409, 410])
def test_the_outcome_of_an_unwanted_attempt_is_not_tried_again(peer: Peer, status: int):
    peer.statuses["/callback"] = [status]
    with pytest.raises(StoppedError):
        reporter(peer).outcome(DONE)
    assert len(peer.posts) == 1


@pytest.mark.parametrize(
    "fields", [{}, {"result": {}, "error": {"code": "GPU_OOM", "message": ""}}]
)
def test_an_outcome_is_a_result_or_an_error_and_never_both(fields: dict[str, object]):
    with pytest.raises(ValidationError):
        Outcome.model_validate(fields)


def test_a_place_is_asked_for_with_size_and_type_by_the_attempts_key(peer: Peer):
    position = reporter(peer).request_grant(MP4, 12)
    assert position.url == peer.url("/film")
    ((headers, body),) = peer.wanted
    assert OutputRequest.model_validate_json(body) == OutputRequest(
        job_id=JOB,
        attempt_id=ATTEMPT,
        call_id="call-1",
        key="film",
        content_type="video/mp4",
        size_bytes=12,
    )
    sent_at = headers[TIMESTAMP_HEADER]
    value = headers[SIGNATURE_HEADER]
    assert headers[ATTEMPT_HEADER] == str(ATTEMPT)
    assert is_authentic(key=KEY, timestamp=sent_at, body=body, signature=value, now=float(sent_at))


def test_where_nobody_answers_there_is_no_place():
    with pytest.raises(requests.ConnectionError):
        reporter(Peer(port=9)).request_grant(MP4, 12)


@pytest.mark.parametrize("status", [413, 422])
def test_an_output_that_is_refused_is_not_asked_for_again(peer: Peer, status: int):
    peer.statuses["/callback/outputs"] = [status]
    with pytest.raises(EngineError):
        reporter(peer).request_grant(MP4, 12)
    assert len(peer.wanted) == 1


@pytest.mark.parametrize("status", [404, 409, 410])
def test_an_unwanted_attempts_output_has_no_place(peer: Peer, status: int):
    peer.statuses["/callback/outputs"] = [status]
    with pytest.raises(StoppedError):
        reporter(peer).request_grant(MP4, 12)
