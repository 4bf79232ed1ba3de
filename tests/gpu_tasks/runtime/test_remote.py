"""Answering a call on a rented machine: whatever happens, a plain outcome comes back."""

import json
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from pydantic import SecretStr

from gpu_tasks.runtime import callback, engine_cache, remote
from gpu_tasks.runtime.callback import Callback
from gpu_tasks.runtime.contract import Outcome
from gpu_tasks.runtime.engine import Host, contracts
from gpu_tasks.runtime.engine_cache import EngineCache
from gpu_tasks.runtime.errors import ErrorCode
from tests.gpu_tasks.peer import Peer

KEY = SecretStr("a key of the tests")


def payload(peer: Peer, **fields: Any) -> dict[str, Any]:
    value = {
        "job_id": str(uuid4()),
        "attempt_id": str(uuid4()),
        "callback_url": peer.url("/callback"),
        "seconds": 0.0,
        "error": None,
    }
    return value | fields


@pytest.fixture(autouse=True)
def nothing_is_loaded_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "_engines", EngineCache())


def answer(sent: dict[str, Any], engine: str = "draft", function: str = "noop") -> Outcome:
    """Return the outcome, after a trip through JSON: plain values only."""
    plain = remote.handle(
        contract=contracts()[function],
        engine=engine,
        payload=sent,
        call_id="fc-1",
        key=KEY,
        model_dir=Path("/models"),
    )
    return Outcome.model_validate(json.loads(json.dumps(plain)))


def reports(peer: Peer) -> list[Callback]:
    return [Callback.model_validate_json(body) for _, body in peer.posts]


def test_a_result_is_returned_and_reported(peer: Peer):
    outcome = answer(payload(peer))
    assert outcome.result == {}
    assert [report.kind for report in reports(peer)] == ["progress", "outcome"]
    assert reports(peer)[-1].outcome == outcome
    assert {report.call_id for report in reports(peer)} == {"fc-1"}


def test_a_known_failure_is_returned_and_reported(peer: Peer):
    outcome = answer(payload(peer, error="INPUT_INVALID"))
    assert outcome.error.code is ErrorCode.INPUT_INVALID
    assert reports(peer)[-1].outcome == outcome


def test_progress_is_told_no_oftener_than_its_interval(peer: Peer, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(callback, "PROGRESS_INTERVAL_SECONDS", 0.5)
    answer(payload(peer, seconds=0.8))
    assert 2 <= len([item for item in reports(peer) if item.kind == "progress"]) <= 3


def test_an_attempt_that_is_not_wanted_stops_before_anything_is_loaded(
    peer: Peer, monkeypatch: pytest.MonkeyPatch
):
    def load(*_: object) -> None:
        raise AssertionError("loaded")

    monkeypatch.setattr(engine_cache, "load", load)
    peer.statuses["/callback"] = [409]
    assert answer(payload(peer)).error.code is ErrorCode.CANCELLED
    assert [report.kind for report in reports(peer)] == ["progress"]


def test_an_attempt_that_is_superseded_meanwhile_stops(peer: Peer):
    peer.statuses["/callback"] = [200, 409]
    assert answer(payload(peer, seconds=30.0)).error.code is ErrorCode.CANCELLED
    assert len(peer.posts) == 2


def test_a_callback_that_nobody_takes_costs_no_result(peer: Peer):
    peer.statuses["/callback"] = [503]
    assert answer(payload(peer)).result == {}


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (RuntimeError("weights are broken"), ErrorCode.MODEL_ERROR),
        (ModuleNotFoundError("No module named 'torch'"), ErrorCode.MODEL_ERROR),
        (SystemExit(1), ErrorCode.MODEL_ERROR),
        (MemoryError(), ErrorCode.GPU_OOM),
    ],
)
def test_an_engine_that_does_not_load_is_an_outcome(
    peer: Peer, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: ErrorCode
):
    def load(*_: object) -> None:
        raise error

    monkeypatch.setattr(engine_cache, "load", load)
    outcome = answer(payload(peer))
    assert outcome.error.code is code
    assert reports(peer)[-1].outcome == outcome


def test_an_engine_that_is_still_to_be_written_is_an_outcome(peer: Peer):
    assert answer(payload(peer), engine="production").error.code is ErrorCode.MODEL_ERROR


@pytest.mark.parametrize("change", [{"surplus": 1}, {"seconds": "soon"}, {"job_id": None}])
def test_a_payload_of_another_version_is_an_outcome(peer: Peer, change: dict[str, Any]):
    assert answer(payload(peer) | change).error.code is ErrorCode.MODEL_ERROR
    assert peer.posts == []


def test_an_engine_is_loaded_once_and_the_outcome_says_for_how_long(peer: Peer):
    outcomes = [answer(payload(peer), engine="production", function="noop_gpu") for _ in range(3)]
    first, *other_items = [outcome.load_seconds for outcome in outcomes]
    assert first >= 0.2
    assert other_items == [0, 0]


@pytest.mark.parametrize(
    ("engine", "gpu", "expected"),
    [
        ("draft", "A10G", ("cpu", "float32")),
        ("production", "A10G", ("cuda", "float16")),
        ("production", "CPU", ("cpu", "float32")),
    ],
)
def test_production_engines_run_on_their_gpu(
    peer: Peer,
    monkeypatch: pytest.MonkeyPatch,
    engine: str,
    gpu: str,
    expected: tuple[str, str],
):
    from dataclasses import replace

    from gpu_tasks.runtime.contract import GpuClass

    seen: list[tuple[object, ...]] = []

    def load(*value: object) -> None:
        seen.append(value)
        raise RuntimeError

    monkeypatch.setattr(engine_cache, "load", load)
    remote.handle(
        contract=replace(contracts()["noop"], gpu=GpuClass(gpu)),
        engine=engine,
        payload=payload(peer),
        call_id="fc-1",
        key=KEY,
        model_dir=Path("/models"),
    )
    assert seen == [("noop", engine, Host(Path("/models"), *expected))]
