"""The runner against a real HTTP server: files in, files out, every failure as an outcome."""

import json
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from pydantic import ValidationError

from gpu_tasks.runtime import runner
from gpu_tasks.runtime.callback import OutputGrant
from gpu_tasks.runtime.contract import (
    MAX_MESSAGE_LENGTH,
    EngineInfo,
    InputFile,
    Outcome,
    OutputFile,
    Payload,
    PlainModel,
)
from gpu_tasks.runtime.engine import Engine, Workspace, load
from gpu_tasks.runtime.errors import POLICIES, EngineError, ErrorCode, StoppedError
from gpu_tasks.runtime.stages import Stage
from tests.gpu_tasks.peer import Peer
from tests.gpu_tasks.recordings import SHORT, reference, word_error_rate
from tests.gpu_tasks.transcription.calls import payload as transcription


class CopyPayload(Payload):
    source: InputFile
    copy_to: OutputFile


class CopyResult(PlainModel):
    size: int


class CopyEngine:
    """An engine that copies its input, or does what it is told to."""

    info = EngineInfo(name="draft", model="copy 1")

    def __init__(self, deed: Callable[[Workspace], object] | None = None) -> None:
        self._deed = deed

    def run(self, payload: Any, workspace: Workspace) -> CopyResult:
        content = workspace.input("source").read_bytes()
        if self._deed:
            self._deed(workspace)
        workspace.output("copy_to").write_bytes(content)
        return CopyResult(size=len(content))


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary folders are made; it must be empty after each call."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def copying(peer: Peer, name: str = "film.mp4") -> CopyPayload:
    return CopyPayload(
        job_id=uuid4(),
        attempt_id=uuid4(),
        callback_url=peer.url("/callback"),
        source=InputFile(url=peer.url("/in"), name=name),
        copy_to=OutputFile(key="out", content_type="video/mp4"),
    )


def run(peer: Peer, engine: Engine, **payload: str) -> Outcome:
    return runner.run(
        engine=engine,
        payload=copying(peer, **payload),
        progress=lambda _share, _stage: None,
        place_for=peer.place_for,
    )


def raising(error: BaseException) -> CopyEngine:
    def deed(_workspace: Workspace) -> None:
        raise error

    return CopyEngine(deed)


def failure(outcome: Outcome) -> tuple[ErrorCode, str]:
    assert outcome.error is not None
    return outcome.error.code, outcome.error.message


def test_inputs_are_fetched_and_outputs_put(peer: Peer, scratch: Path):
    peer.files["/in"] = bytes(range(256)) * 9000  # more than two chunks
    outcome = run(peer, CopyEngine())
    assert outcome.result == {"size": 256 * 9000}
    assert outcome.engine == CopyEngine.info
    assert outcome.seconds > 0
    headers, body = peer.puts["/out"]
    assert body == peer.files["/in"]
    assert headers["Content-Type"] == "video/mp4"
    assert headers["Content-Length"] == str(len(body))
    assert list(scratch.iterdir()) == []


@pytest.mark.parametrize("fails", [False, True])
def test_an_outcome_says_when_it_began_and_what_it_waited_for(peer: Peer, fails: bool):
    peer.files["/in"] = b"x"
    engine = raising(MemoryError()) if fails else CopyEngine()
    before = datetime.now(UTC)
    outcome = runner.run(
        engine=engine,
        payload=copying(peer),
        progress=lambda _share, _stage: None,
        place_for=peer.place_for,
        load_seconds=5.0,
    )
    assert outcome.load_seconds == 5
    assert 0 < outcome.seconds < 5
    assert outcome.started_at is not None
    assert before <= outcome.started_at + timedelta(seconds=5) <= datetime.now(UTC)
    again = Outcome.model_validate_json(outcome.model_dump_json())
    assert again.started_at == outcome.started_at


def test_a_call_tells_what_it_does_and_keeps_when_each_tenth_was_done(peer: Peer):
    peer.files["/in"] = b"x"
    told: list[tuple[float, str]] = []

    def work(workspace: Workspace) -> None:
        workspace.progress(0.05)
        workspace.enter(Stage.ENCODING)
        workspace.progress(0.35)
        workspace.progress(1.0)

    outcome = runner.run(
        engine=CopyEngine(work),
        payload=copying(peer),
        progress=lambda share, stage: told.append((share, stage)),
        place_for=peer.place_for,
        load_seconds=5.0,
    )
    assert told == [
        (0.0, "fetching"),
        (0.0, "running"),
        (0.05, "running"),
        (0.05, "encoding"),
        (0.35, "encoding"),
        (1.0, "encoding"),
        (1.0, "uploading"),
    ]
    assert len(outcome.tenths) == 9
    assert 5 < outcome.tenths[0] == outcome.tenths[2] <= outcome.tenths[-1] < 10


@pytest.mark.parametrize("tenths", [[-1], [float("nan")], [float("inf")], [1] * 10])
def test_tenths_that_are_none_are_refused(tenths: list[float]):
    with pytest.raises(ValidationError):
        Outcome.model_validate({"result": {}, "tenths": tenths})


def test_an_outcome_of_before_is_still_read():
    assert Outcome.model_validate({"result": {}, "seconds": 2}).started_at is None


def test_a_time_that_names_no_zone_is_no_time():
    with pytest.raises(ValidationError):
        Outcome.model_validate({"result": {}, "started_at": "2026-11-20T12:00:00"})


def test_an_input_keeps_its_name_and_cannot_leave_its_folder(peer: Peer, scratch: Path):
    peer.files["/in"] = b"x"
    seen: list[Path] = []
    engine = CopyEngine(lambda workspace: seen.append(workspace.input("source")))
    run(peer, engine, name="../../etc/clip.mov")
    assert seen[0].name == "clip.mov"
    assert seen[0].parent.name == "0"
    assert scratch in seen[0].parents


def test_a_known_failure_keeps_its_code_and_message(peer: Peer, scratch: Path):
    peer.files["/in"] = b"x"
    engine = raising(EngineError(ErrorCode.INPUT_INVALID, "The file has no sound."))
    outcome = run(peer, engine)
    assert failure(outcome) == (ErrorCode.INPUT_INVALID, "The file has no sound.")
    assert outcome.engine == engine.info
    assert "/out" not in peer.puts
    assert list(scratch.iterdir()) == []


@pytest.mark.parametrize("length", [MAX_MESSAGE_LENGTH, MAX_MESSAGE_LENGTH + 1, 5000])
def test_a_long_message_is_cut_to_what_an_outcome_holds(peer: Peer, length: int):
    peer.files["/in"] = b"x"
    outcome = run(peer, raising(EngineError(ErrorCode.INPUT_INVALID, "m" * length)))
    assert failure(outcome) == (ErrorCode.INPUT_INVALID, "m" * MAX_MESSAGE_LENGTH)


class OutOfMemoryError(RuntimeError):
    """Named like the error of torch."""


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ValueError("/srv/secret/model.bin is gone"), ErrorCode.MODEL_ERROR),
        (KeyError("password"), ErrorCode.MODEL_ERROR),
        (MemoryError(), ErrorCode.GPU_OOM),
        (OutOfMemoryError("CUDA out of memory: 80 GiB"), ErrorCode.GPU_OOM),
        (RuntimeError("CUDA error: out of memory"), ErrorCode.GPU_OOM),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling"), ErrorCode.GPU_OOM),
        (RuntimeError("CUDA error: device-side assert triggered"), ErrorCode.MODEL_ERROR),
    ],
)
def test_an_unexpected_failure_tells_nothing_of_its_inside(
    peer: Peer, error: Exception, code: ErrorCode
):
    peer.files["/in"] = b"x"
    assert failure(run(peer, raising(error))) == (code, POLICIES[code].message)


def test_an_output_that_was_not_written_is_the_engines_fault(peer: Peer):
    peer.files["/in"] = b"x"

    class Forgetful(CopyEngine):
        def run(self, payload: Any, workspace: Workspace) -> CopyResult:
            return CopyResult(size=0)

    assert failure(run(peer, Forgetful()))[0] == ErrorCode.MODEL_ERROR


def test_an_input_that_is_away_is_a_storage_error(peer: Peer):
    assert failure(run(peer, CopyEngine()))[0] == ErrorCode.STORAGE_ERROR


def test_an_input_that_breaks_off_is_a_storage_error(peer: Peer):
    peer.files["/in"] = b"x" * 4_000_000
    peer.cut_short = True
    assert failure(run(peer, CopyEngine()))[0] == ErrorCode.STORAGE_ERROR
    assert "/out" not in peer.puts


@pytest.mark.parametrize("status", [403, 500, 503])
def test_an_output_that_is_refused_is_a_storage_error(peer: Peer, status: int):
    peer.files["/in"] = b"x"
    peer.statuses["/out"] = [status]
    assert failure(run(peer, CopyEngine()))[0] == ErrorCode.STORAGE_ERROR


def test_an_output_whose_answer_was_lost_is_put_again(peer: Peer):
    peer.files["/in"] = b"x"
    peer.statuses["/out"] = [503, 412]
    assert run(peer, CopyEngine()).result == {"size": 1}


def test_where_an_output_goes_is_asked_when_it_is_there(peer: Peer):
    peer.files["/in"] = b"some sound"
    asked: list[tuple[str, int]] = []

    def place_for(file: OutputFile, size_bytes: int) -> OutputGrant:
        asked.append((file.key, size_bytes))
        return peer.place_for(file, size_bytes)

    runner.run(
        engine=CopyEngine(lambda _workspace: asked.append(("the engine runs", 0))),
        payload=copying(peer),
        progress=lambda _share, _stage: None,
        place_for=place_for,
    )
    assert asked == [("the engine runs", 0), ("out", len(b"some sound"))]


def test_a_storage_that_does_not_listen_is_a_storage_error():
    nobody = Peer(port=9)
    assert failure(run(nobody, CopyEngine()))[0] == ErrorCode.STORAGE_ERROR


def test_a_stopped_call_raises_and_leaves_nothing(peer: Peer, scratch: Path):
    peer.files["/in"] = b"x"
    with pytest.raises(StoppedError):
        run(peer, raising(StoppedError()))
    assert peer.puts == {}
    assert list(scratch.iterdir()) == []


def test_a_call_can_be_stopped_while_its_input_is_fetched(peer: Peer, scratch: Path):
    peer.files["/in"] = b"x"

    def stop(_share: float, _stage: object) -> None:
        raise StoppedError

    with pytest.raises(StoppedError):
        runner.run(
            engine=CopyEngine(), payload=copying(peer), progress=stop, place_for=peer.place_for
        )
    assert list(scratch.iterdir()) == []


@pytest.mark.xdist_group("draft")
def test_a_transcription_from_url_to_url(peer: Peer):
    peer.files["/media"] = SHORT.read_bytes()
    engine = load("transcription", "draft")
    payload = transcription(base=peer.url(""))
    outcome = runner.run(
        engine=engine,
        payload=payload,
        progress=lambda _share, _stage: None,
        place_for=peer.place_for,
    )
    assert outcome.result is not None
    assert outcome.result["segments_count"] == 1
    assert outcome.engine is not None
    assert outcome.engine.name == "draft"
    headers, body = peer.puts["/t.json"]
    assert headers["Content-Type"] == "application/json"
    (segment,) = json.loads(body)["segments"]
    assert word_error_rate(reference(SHORT), segment["text"]) <= 0.25


class ManyPayload(Payload):
    parts: tuple[InputFile, ...]
    joined: OutputFile
    halves: tuple[OutputFile, ...]


class ManyEngine:
    """Joins its parts, keeps the first half at once, and then fails if it is told to."""

    info = EngineInfo(name="draft", model="many 1")

    def __init__(self, fails: bool) -> None:
        self._fails = fails

    def run(self, payload: ManyPayload, workspace: Workspace) -> CopyResult:
        parts = [workspace.input("parts", n).read_bytes() for n in range(len(payload.parts))]
        for index, part in enumerate(parts):
            workspace.output("halves", index).write_bytes(part)
        workspace.keep("halves", 0)
        if self._fails:
            raise MemoryError
        workspace.output("joined").write_bytes(b"".join(parts))
        return CopyResult(size=len(parts))


@pytest.mark.parametrize("fails", [False, True])
def test_tuples_of_files_and_what_is_kept_outlives_a_failure(peer: Peer, fails: bool):
    peer.files |= {"/in/0": b"first", "/in/1": b"second"}
    call = ManyPayload(
        job_id=uuid4(),
        attempt_id=uuid4(),
        callback_url=peer.url("/callback"),
        parts=tuple(InputFile(url=peer.url(f"/in/{n}"), name="same.bin") for n in range(2)),
        joined=OutputFile(key="joined", content_type="text/plain"),
        halves=tuple(OutputFile(key=f"half/{n}", content_type="text/plain") for n in range(2)),
    )
    outcome = runner.run(
        engine=ManyEngine(fails),
        payload=call,
        progress=lambda _share, _stage: None,
        place_for=peer.place_for,
    )
    put = {path: body for path, (_headers, body) in peer.puts.items()}
    if fails:
        assert outcome.error is not None
        assert put == {"/half/0": b"first"}
    else:
        assert put == {"/half/0": b"first", "/half/1": b"second", "/joined": b"firstsecond"}
