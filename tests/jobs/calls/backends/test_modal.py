"""The Modal backend against a control plane that plays every way a call can go."""

import contextlib
import logging
import math
import os
import pickle
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cbor2
import modal
import pytest
from modal_proto import api_pb2
from pytest_django import Settings

from gpu_tasks.runtime.callback import derive_attempt_key
from gpu_tasks.runtime.errors import POLICIES, ErrorCode
from jobs.calls.backends import modal as modal_backend
from jobs.calls.backends.base import BackendUnavailableError, Call, CallState
from jobs.calls.backends.modal import BATCH_SECONDS, ModalBackend
from jobs.calls.backends.modal_outputs import MAX_RESULT_BYTES, NotPlainError, decode_value
from jobs.calls.backends.modal_statuses import build_status_of_value
from tests.jobs.calls.backends.calls import NOBODY, noop
from tests.modal_peer.scenario import PICKLE_MARK, Scenario
from tests.modal_peer.serving import Peer

CHILD_SECONDS = 20.0
SILENCE_SECONDS = 20.0
"""In which nothing that waits for an answer for a second may still be waiting."""


def ids(backend: ModalBackend, count: int = 1) -> list[str]:
    """Return the ids of calls that were just started."""
    return [*backend.spawn([noop() for _ in range(count)]).values()]


@pytest.mark.parametrize(
    ("scenario", "state"),
    [
        (Scenario.NEVER, CallState.UNDER_WAY),
        (Scenario.SLOW, CallState.UNDER_WAY),
        (Scenario.EXPIRED, CallState.LOST),
        (Scenario.CRASH, CallState.LOST),
    ],
)
def test_what_has_not_ended_is_running_and_what_left_no_outcome_is_lost(
    backend: ModalBackend, modal_peer: Peer, scenario: Scenario, state: CallState
):
    modal_peer.plays(scenario)
    (call_id,) = ids(backend)
    current = backend.poll([call_id])[call_id]
    assert (current.state, current.outcome) == (state, None)


@pytest.mark.parametrize(
    ("scenario", "code"),
    [
        (Scenario.GARBAGE, ErrorCode.MODEL_ERROR),
        (Scenario.USER_ERROR, ErrorCode.MODEL_ERROR),
        (Scenario.USER_TIMEOUT, ErrorCode.MODEL_ERROR),
        (Scenario.EXIT, ErrorCode.MODEL_ERROR),
        (Scenario.CUDA_OOM, ErrorCode.GPU_OOM),
        (Scenario.OOM, ErrorCode.GPU_OOM),
        (Scenario.FUNCTION_TIMEOUT, ErrorCode.GPU_TIMEOUT),
        (Scenario.INTERNAL_FAILURE, ErrorCode.GPU_UNAVAILABLE),
    ],
)
def test_every_failure_has_a_code_of_ours(
    backend: ModalBackend, modal_peer: Peer, scenario: Scenario, code: ErrorCode
):
    modal_peer.plays(scenario)
    (call_id,) = ids(backend)
    current = backend.poll([call_id])[call_id]
    assert current.state is CallState.DONE
    assert current.outcome.error.code is code
    assert current.outcome.error.message == POLICIES[code].message


@pytest.mark.parametrize("scenario", [Scenario.PICKLE, Scenario.PICKLED_ERROR])
def test_what_is_pickled_is_refused_and_not_run(
    backend: ModalBackend,
    modal_peer: Peer,
    scenario: Scenario,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    mark = tmp_path / "it ran"
    monkeypatch.setenv(PICKLE_MARK, str(mark))
    modal_peer.plays(scenario)
    (call_id,) = ids(backend)
    current = backend.poll([call_id])[call_id]
    assert current.outcome.error.code is ErrorCode.MODEL_ERROR
    assert not mark.exists()
    # The client's own way would have run it.
    client = modal.Client.from_credentials("ak-tests", "as-tests")
    with contextlib.suppress(Exception):
        modal.FunctionCall.from_id(call_id, client=client).get(timeout=0)
    client.close()
    assert mark.exists()


SHARED = [1]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff",
        b"\x81" * 100_000,
        cbor2.dumps({"result": {"twice": [SHARED, SHARED]}}, value_sharing=True),
        cbor2.dumps({"result": {"twice": ["x" * 50] * 2}}, string_referencing=True),
        cbor2.dumps({"result": {"at": cbor2.CBORTag(1, 5)}}),
        cbor2.dumps("x" * MAX_RESULT_BYTES),
    ],
    ids=["nothing", "no CBOR", "deep", "shared", "referenced", "tagged", "large"],
)
def test_what_is_more_than_plain_values_is_refused(data: bytes):
    output = api_pb2.FunctionGetOutputsItem(data_format=api_pb2.DATA_FORMAT_CBOR)
    output.result.data = data
    with pytest.raises(NotPlainError):
        decode_value(output)


def test_plain_values_are_read():
    value = {"result": {"words": ["a", 1, 2.5, None, True]}}
    output = api_pb2.FunctionGetOutputsItem(data_format=api_pb2.DATA_FORMAT_CBOR)
    output.result.data = cbor2.dumps(value)
    assert decode_value(output) == value


def nested(depth: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(depth):
        value = {"result": value}
    return value


@pytest.mark.parametrize(("depth", "is_refused"), [(32, False), (33, True)])
def test_a_result_is_nested_so_deep_and_no_deeper(depth: int, is_refused: bool):
    data = cbor2.dumps(nested(depth))  # the empty one inside does not count
    output = api_pb2.FunctionGetOutputsItem(
        data_format=api_pb2.DATA_FORMAT_CBOR, result=api_pb2.GenericResult(data=data)
    )
    with pytest.raises(NotPlainError) if is_refused else contextlib.nullcontext():
        decode_value(output)


@pytest.fixture
def usual_recursion_limit():
    """Undo what other tests of this process have made of it."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(1000)
    yield
    sys.setrecursionlimit(limit)


@pytest.mark.usefixtures("usual_recursion_limit")
@pytest.mark.parametrize(
    "value",
    [
        None,
        "done",
        3,
        [],
        {},
        {"result": {}, "error": {"code": "GPU_OOM", "message": ""}},
        {"result": {"share": math.nan}},
        {"result": {"text": "\0"}},
        {"result": {"bytes": b"\xff"}},
        {"result": {1: object()}},
        {"result": {}, "more": 1},
        {"error": {"code": "MELTED", "message": ""}},
        nested(5000),
    ],
    ids=range(13),
)
def test_what_is_no_outcome_is_not_believed(value: object):
    current = build_status_of_value("fc-1", value)
    assert current.outcome.error.code is ErrorCode.MODEL_ERROR


def test_it_is_told_what_the_function_needs(
    backend: ModalBackend, modal_peer: Peer, settings: Settings
):
    settings.MODAL_APP, settings.MODAL_ENVIRONMENT = "another", "staging"
    call = noop(engine="production")
    call_id = backend.spawn([call])[call.attempt_id]
    assert modal_peer.book.looked_up == [("another", "noop", "staging")]
    assert modal_peer.book.tokens == {("ak-tests", "as-tests")}
    is_accepted = modal_peer.book.calls[call_id]
    assert (is_accepted.function, is_accepted.engine) == ("noop", "production")
    key = derive_attempt_key(secret=settings.GPU_CALLBACK_SECRET, attempt_id=call.attempt_id)
    assert is_accepted.key == key.get_secret_value()
    assert settings.GPU_CALLBACK_SECRET.encode() not in is_accepted.arguments
    assert call.contract.payload.model_validate(is_accepted.payload) == call.payload


def test_a_long_payload_arrives_whole(backend: ModalBackend, modal_peer: Peer):
    call = noop(callback_url=f"{NOBODY}?{'x' * 50_000}")
    call_id = backend.spawn([call, noop()])[call.attempt_id]
    is_accepted = modal_peer.book.calls[call_id]
    assert call.contract.payload.model_validate(is_accepted.payload) == call.payload


def test_a_refused_call_loses_none_of_the_others(backend: ModalBackend, modal_peer: Peer):
    modal_peer.plays_next(Scenario.SUCCESS, Scenario.RESOURCE_EXHAUSTED, Scenario.LOST_REPLIES)
    calls = [noop() for _ in range(10)]
    started = backend.spawn(calls)
    assert len(started) == 8
    assert set(started) < {call.attempt_id for call in calls}
    assert {item.state for item in backend.poll(started.values()).values()} == {CallState.DONE}


def test_a_function_that_is_missing_holds_up_no_other(backend: ModalBackend, modal_peer: Peer):
    there, lacks = noop(), noop()
    contract = replace(lacks.contract, name="not_deployed")
    missing = Call(lacks.attempt_id, contract, "draft", "q", lacks.payload)
    assert list(backend.spawn([there, missing])) == [there.attempt_id]


def test_a_lost_reply_is_asked_for_again(backend: ModalBackend, modal_peer: Peer):
    modal_peer.plays(Scenario.LOST_REPLY)
    assert ids(backend) == [*modal_peer.book.calls]


def test_an_answer_that_never_comes_holds_up_nothing(
    backend: ModalBackend, modal_peer: Peer, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(modal_backend, "BATCH_SECONDS", 1.0)
    modal_peer.plays_next(Scenario.SILENCE)
    calls = [noop() for _ in range(5)]
    started = time.monotonic()
    assert len(backend.spawn(calls)) == 4
    assert time.monotonic() - started < SILENCE_SECONDS
    modal_peer.plays_next(Scenario.SILENCE)
    assert backend.spawn([noop()]) == {}  # it may run
    assert len(ids(backend)) == 1


def test_where_every_call_is_refused_the_backend_is_unavailable(
    backend: ModalBackend, modal_peer: Peer, caplog: pytest.LogCaptureFixture
):
    modal_peer.plays(Scenario.RESOURCE_EXHAUSTED)
    with pytest.raises(BackendUnavailableError):
        backend.spawn([noop(), noop()])
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


@pytest.mark.parametrize("scenario", [Scenario.UNAVAILABLE, Scenario.LOST_REPLIES])
def test_a_start_without_an_answer_is_not_taken_for_a_refusal(
    backend: ModalBackend,
    modal_peer: Peer,
    scenario: Scenario,
    caplog: pytest.LogCaptureFixture,
):
    ids(backend)  # the function is known from now on
    modal_peer.plays(scenario)
    assert backend.spawn([noop(), noop()]) == {}
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


@pytest.mark.parametrize("scenario", [Scenario.AUTH_ERROR, Scenario.FUNCTION_MISSING])
def test_a_wrong_setting_raises_one_alarm_and_no_error_of_a_user(
    backend: ModalBackend,
    modal_peer: Peer,
    scenario: Scenario,
    caplog: pytest.LogCaptureFixture,
):
    backend._functions.clear()
    modal_peer.plays(scenario)
    for _ in range(3):
        with pytest.raises(BackendUnavailableError):
            backend.spawn([noop(), noop()])
    (alarm,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert "MODAL_*" in alarm.getMessage()


def test_without_a_token_nothing_is_asked(
    backend: ModalBackend, modal_peer: Peer, settings: Settings
):
    settings.MODAL_TOKEN_SECRET = ""
    for work in (
        lambda: backend.spawn([noop()]),
        lambda: backend.poll(["fc-1"]),
        lambda: backend.stop(["fc-1"]),
    ):
        with pytest.raises(BackendUnavailableError, match="MODAL_TOKEN_ID"):
            work()
    assert modal_peer.book.tokens == set()


@pytest.mark.parametrize("scenario", [Scenario.AUTH_ERROR, Scenario.UNAVAILABLE])
def test_what_cannot_be_asked_after_is_not_judged(
    backend: ModalBackend, modal_peer: Peer, scenario: Scenario
):
    call_ids = ids(backend, 3)
    modal_peer.plays(scenario)
    with pytest.raises(BackendUnavailableError):
        backend.poll(call_ids)
    with pytest.raises(BackendUnavailableError):
        backend.stop(call_ids)
    modal_peer.plays(Scenario.SUCCESS)
    assert {item.state for item in backend.poll(call_ids).values()} == {CallState.DONE}


def test_a_server_that_went_away_is_found_again(backend: ModalBackend, modal_peer: Peer):
    modal_peer.plays(Scenario.NEVER)
    call_ids = ids(backend, 3)
    modal_peer.go_away()
    started = time.monotonic()
    assert backend.spawn([noop()]) == {}
    assert time.monotonic() - started < BATCH_SECONDS / 2
    works: list[Callable[[], object]] = [
        lambda: backend.poll(call_ids),
        lambda: backend.stop(call_ids),
    ]
    for work in works:
        started = time.monotonic()
        with pytest.raises(BackendUnavailableError):
            work()
        assert time.monotonic() - started < BATCH_SECONDS
    modal_peer.start()
    backend.stop(call_ids)
    assert {item.state for item in backend.poll(call_ids).values()} == {CallState.LOST}
    assert len(ids(backend)) == 1


def test_a_server_that_is_not_there_yet_costs_a_bounded_time(
    modal_peer: Peer, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("MODAL_SERVER_URL", "http://127.0.0.1:9")
    monkeypatch.setattr(modal_backend, "BATCH_SECONDS", 1.0)
    started = time.monotonic()
    with pytest.raises(BackendUnavailableError):
        ModalBackend().spawn([noop()])
    assert time.monotonic() - started < SILENCE_SECONDS


def test_stopping_tells_modal(backend: ModalBackend, modal_peer: Peer):
    modal_peer.plays(Scenario.NEVER)
    stopped, left = ids(backend, 2)
    backend.stop([stopped])
    assert {key: call.cancelled for key, call in modal_peer.book.calls.items()} == {
        stopped: True,
        left: False,
    }


def test_a_call_that_modal_refuses_to_stop_keeps_no_other_from_being_stopped(
    backend: ModalBackend, modal_peer: Peer
):
    modal_peer.plays(Scenario.NEVER)
    first, refused, last = ids(backend, 3)
    modal_peer.book.calls[refused].refuses_cancel = True
    assert backend.stop([first, refused, last]) == {first, last}
    with pytest.raises(BackendUnavailableError):
        backend.stop([refused])


def test_a_function_that_was_deployed_anew_is_looked_up_again(
    backend: ModalBackend, modal_peer: Peer
):
    ids(backend)
    modal_peer.book.looked_up.clear()
    modal_peer.plays_next(Scenario.FUNCTION_MISSING)
    with pytest.raises(BackendUnavailableError):
        backend.spawn([noop()])
    assert len(ids(backend)) == 1
    assert len(modal_peer.book.looked_up) == 1


def test_calls_started_together_are_not_asked_after_together(backend: ModalBackend):
    assert len({backend.poll_seconds for _ in range(10)}) == 10


def test_threads_share_it(backend: ModalBackend, modal_peer: Peer):
    modal_peer.plays(Scenario.NEVER)
    result: list[bool] = []

    def work() -> None:
        call_ids = ids(backend, 5)
        result.append(
            {item.state for item in backend.poll(call_ids).values()} == {CallState.UNDER_WAY}
        )
        backend.stop(call_ids)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert result == [True] * 6
    assert all(call.cancelled for call in modal_peer.book.calls.values())


def in_a_child(work: Callable[[], object]) -> object:
    """Return the result of ``work`` in a forked child."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        try:
            answer = work()
        except BaseException as exc:  # noqa: BLE001 - a child must not go on as a test run
            answer = repr(exc)
        os.write(writing, pickle.dumps(answer))
        os._exit(0)
    os.close(writing)
    killer = threading.Timer(CHILD_SECONDS, os.kill, (pid, 9))
    killer.start()
    with os.fdopen(reading, "rb") as pipe:
        answer = pickle.loads(pipe.read() or pickle.dumps("killed"))  # noqa: S301 - our own child
    os.waitpid(pid, 0)
    killer.cancel()
    return answer


@pytest.mark.parametrize("parent_was_first", [True, False], ids=["used before", "not used before"])
def test_a_forked_child_has_a_client_of_its_own(modal_peer: Peer, parent_was_first: bool):
    modal_peer.plays(Scenario.NEVER)
    backend = ModalBackend()
    if parent_was_first:
        ids(backend)

    def work() -> object:
        call_ids = ids(backend, 3)
        states = {item.state for item in backend.poll(call_ids).values()}
        backend.stop(call_ids)
        return len(call_ids), states

    for _ in range(2):
        assert in_a_child(work) == (3, {CallState.UNDER_WAY})
    assert work() == (3, {CallState.UNDER_WAY})
