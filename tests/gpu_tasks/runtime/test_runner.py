"""The runner against a real HTTP server: files in, files out, every failure as an outcome."""

import errno
import json
import resource
import signal
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import requests
from pydantic import ValidationError

from gpu_tasks.runtime import runner, transfers
from gpu_tasks.runtime.callback import OutputGrant, Reporter, derive_attempt_key
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


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Try again soon."""
    monkeypatch.setattr(transfers, "FIRST_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(transfers, "MAX_PAUSE_SECONDS", 0.05)


@pytest.fixture
def short_outages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give up after moments where a call waits for minutes."""
    monkeypatch.setattr(transfers, "OUTAGE_SECONDS", 0.2)


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
        request_grant=peer.request_grant,
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
        request_grant=peer.request_grant,
        load_seconds=5.0,
    )
    assert outcome.load_seconds == 5
    assert 0 < outcome.seconds <= (datetime.now(UTC) - before).total_seconds()
    assert outcome.started_at is not None
    assert before <= outcome.started_at + timedelta(seconds=5) <= datetime.now(UTC)
    again = Outcome.model_validate_json(outcome.model_dump_json())
    assert again.started_at == outcome.started_at


def test_a_call_tells_what_it_does_and_keeps_when_each_tenth_was_done(peer: Peer):
    peer.files["/in"] = b"x"
    reports: list[tuple[float, str]] = []

    def work(workspace: Workspace) -> None:
        workspace.progress(0.05)
        workspace.enter(Stage.ENCODING)
        workspace.progress(0.35)
        workspace.progress(1.0)

    outcome = runner.run(
        engine=CopyEngine(work),
        payload=copying(peer),
        progress=lambda share, stage: reports.append((share, stage)),
        request_grant=peer.request_grant,
        load_seconds=5.0,
    )
    assert reports == [
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
        (OSError(errno.ENOSPC, "/srv/secret"), ErrorCode.STORAGE_ERROR),
        (OSError(errno.EACCES, "/srv/secret"), ErrorCode.MODEL_ERROR),
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


@pytest.mark.usefixtures("short_outages")
def test_an_input_that_breaks_off_is_a_storage_error(peer: Peer):
    peer.files["/in"] = b"x" * 4_000_000
    peer.cut_short = True
    assert failure(run(peer, CopyEngine()))[0] == ErrorCode.STORAGE_ERROR
    assert "/out" not in peer.puts


@pytest.mark.usefixtures("short_outages")
@pytest.mark.parametrize("status", [403, 500, 503])
def test_an_output_that_is_refused_is_a_storage_error(peer: Peer, status: int):
    peer.files["/in"] = b"x"
    peer.statuses["/out"] = [status]
    assert failure(run(peer, CopyEngine()))[0] == ErrorCode.STORAGE_ERROR


def test_an_output_whose_answer_was_lost_is_put_again(peer: Peer):
    peer.files["/in"] = b"x"
    peer.statuses["/out"] = [503, 412]
    assert run(peer, CopyEngine()).result == {"size": 1}


class CountingEngine(CopyEngine):
    """Counts how often it has run."""

    def __init__(self) -> None:
        super().__init__(self._count)
        self.runs = 0

    def _count(self, _workspace: Workspace) -> None:
        self.runs += 1


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503, 507])
def test_a_result_is_put_again_until_the_storage_takes_it(peer: Peer, status: int):
    peer.files["/in"] = b"x"
    peer.statuses["/out"] = [status] * 5 + [200]
    engine = CountingEngine()
    assert run(peer, engine).result == {"size": 1}
    assert engine.runs == 1
    assert peer.grants == 6  # each try by a URL of its own: the last one may have expired


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_an_input_is_asked_for_again_until_it_comes(peer: Peer, status: int):
    peer.files["/in"] = b"x"
    peer.statuses["/in"] = [status] * 5 + [200]
    assert run(peer, CopyEngine()).result == {"size": 1}
    assert len(peer.asked) == 6


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410])
def test_an_input_that_is_refused_is_asked_for_once(peer: Peer, status: int):
    peer.files["/in"] = b"x"
    peer.statuses["/in"] = [status, 200]
    assert failure(run(peer, CopyEngine()))[0] == ErrorCode.STORAGE_ERROR
    assert len(peer.asked) == 1


@pytest.mark.parametrize(("status", "grants"), [(400, 1), (403, 3), (404, 1)])
def test_an_output_that_is_refused_is_put_again_only_where_its_url_may_have_expired(
    peer: Peer, status: int, grants: int
):
    peer.files["/in"] = b"x"
    peer.statuses["/out"] = [status]
    assert failure(run(peer, CopyEngine()))[0] == ErrorCode.STORAGE_ERROR
    assert peer.grants == grants == (1 + transfers.MAX_URL_RENEWALS if status == 403 else 1)


def test_a_place_for_an_output_is_asked_for_until_somebody_answers(peer: Peer):
    peer.files["/in"] = b"x"
    peer.statuses["/callback/outputs"] = [503, 500, 200]
    payload = copying(peer)
    key = derive_attempt_key(secret="a secret of the tests", attempt_id=payload.attempt_id)
    reporter = Reporter(payload=payload, call_id="call-1", key=key)
    outcome = runner.run(
        engine=CopyEngine(),
        payload=payload,
        progress=lambda _share, _stage: None,
        request_grant=reporter.request_grant,
    )
    assert outcome.result == {"size": 1}
    assert len(peer.wanted) == 3


def test_an_input_that_breaks_off_goes_on_where_it_did(peer: Peer):
    peer.files["/in"] = bytes(range(256)) * 20_000  # five chunks
    peer.etag = '"1"'
    peer.cuts = [3_000_000, 1_500_000]
    assert run(peer, CopyEngine()).result == {"size": len(peer.files["/in"])}
    assert peer.puts["/out"][1] == peer.files["/in"]
    offsets = [
        int(range_.removeprefix("bytes=").removesuffix("-")) for range_, _ in peer.ranges[1:]
    ]
    assert 0 < offsets[0] <= 3_000_000 < offsets[1] < len(peer.files["/in"])
    assert [etag for _, etag in peer.ranges] == ["", '"1"', '"1"']


def test_an_input_that_changed_meanwhile_is_read_from_its_beginning(peer: Peer):
    peer.files["/in"] = b"a" * 3_000_000
    peer.etag = '"1"'
    peer.cuts = [2_500_000]

    def replace(_share: float, stage: Stage) -> None:
        if len(peer.asked) == 1 and not peer.cuts and stage == Stage.FETCHING:
            peer.files["/in"], peer.etag = b"b" * 3_000_000, '"2"'

    outcome = runner.run(
        engine=CopyEngine(),
        payload=copying(peer),
        progress=replace,
        request_grant=peer.request_grant,
    )
    assert outcome.result == {"size": 3_000_000}
    assert peer.puts["/out"][1] == b"b" * 3_000_000


def test_an_input_without_a_version_is_read_from_its_beginning(peer: Peer):
    peer.files["/in"] = bytes(range(256)) * 20_000
    peer.cuts = [3_000_000]
    assert run(peer, CopyEngine()).result == {"size": len(peer.files["/in"])}
    assert peer.puts["/out"][1] == peer.files["/in"]
    assert [range_ for range_, _ in peer.ranges] == ["", ""]


def test_an_input_that_comes_further_each_time_is_waited_for_longer(
    peer: Peer, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(transfers, "OUTAGE_SECONDS", 0.06)
    peer.files["/in"] = b"x" * 22_000_000
    peer.etag = '"1"'
    peer.cuts = [1_100_000] * 19
    assert run(peer, CopyEngine()).result == {"size": 22_000_000}
    assert len(peer.asked) == 20


@pytest.mark.parametrize("path", ["/in", "/out"])
def test_a_stopped_call_does_not_wait_for_the_storage(
    peer: Peer, monkeypatch: pytest.MonkeyPatch, path: str
):
    monkeypatch.setattr(transfers, "OUTAGE_SECONDS", 3600.0)
    peer.files["/in"] = b"x"
    peer.statuses[path] = [503]
    peer.headers["Retry-After"] = "30"
    reports = 0

    def stop(_share: float, stage: Stage) -> None:
        nonlocal reports
        waits = bool(peer.puts) if path == "/out" else bool(peer.asked)
        reports += waits
        if reports > 2:  # reports go on during a pause
            raise StoppedError

    began = time.monotonic()
    with pytest.raises(StoppedError):
        runner.run(
            engine=CopyEngine(),
            payload=copying(peer),
            progress=stop,
            request_grant=peer.request_grant,
        )
    assert time.monotonic() - began < transfers.MAX_RETRY_AFTER_SECONDS


def test_a_call_stops_waiting_before_its_time_limit(peer: Peer, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(transfers, "OUTAGE_SECONDS", 3600.0)
    peer.files["/in"] = b"x"
    peer.statuses["/out"] = [503]
    outcome = runner.run(
        engine=CopyEngine(),
        payload=copying(peer),
        progress=lambda _share, _stage: None,
        request_grant=peer.request_grant,
        time_limit_seconds=runner.REPORT_SECONDS + 1.0,
    )
    assert failure(outcome)[0] == ErrorCode.STORAGE_ERROR


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("", 0.0),
        ("7", 7.0),
        ("30", 30.0),
        ("31", 30.0),
        ("9" * 4000, 30.0),
        ("-5", 0.0),
        ("soon", 0.0),
        ("Fri, 01 Jan 2100 00:00:00 GMT", 30.0),
        ("Fri, 01 Jan 2010 00:00:00 GMT", 0.0),
        ("Fri, 01 Jan 2100 00:00:00", 0.0),
    ],
)
def test_retry_after_is_followed_within_a_bound(header: str, seconds: float):
    response = requests.Response()
    response.headers["Retry-After"] = header
    assert transfers.get_retry_after(requests.HTTPError(response=response)) == seconds


def test_a_full_disk_is_waited_out_while_an_input_is_fetched(
    peer: Peer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """The limit on a file's size raises as a full disk does, at the same call, with EFBIG."""
    peer.files["/in"] = b"x" * 3_000_000
    monkeypatch.setattr(transfers, "NO_SPACE", transfers.NO_SPACE | {errno.EFBIG})
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, limits[1]))

    def free(_share: float, _stage: Stage) -> None:
        if len(peer.asked) == 3:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    try:
        outcome = runner.run(
            engine=CopyEngine(),
            payload=copying(peer),
            progress=free,
            request_grant=peer.request_grant,
        )
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert outcome.result == {"size": 3_000_000}


def test_where_an_output_goes_is_asked_when_it_is_there(peer: Peer):
    peer.files["/in"] = b"some sound"
    request: list[tuple[str, int]] = []

    def request_grant(file: OutputFile, size_bytes: int) -> OutputGrant:
        request.append((file.key, size_bytes))
        return peer.request_grant(file, size_bytes)

    runner.run(
        engine=CopyEngine(lambda _workspace: request.append(("the engine runs", 0))),
        payload=copying(peer),
        progress=lambda _share, _stage: None,
        request_grant=request_grant,
    )
    assert request == [("the engine runs", 0), ("out", len(b"some sound"))]


@pytest.mark.usefixtures("short_outages")
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
            engine=CopyEngine(),
            payload=copying(peer),
            progress=stop,
            request_grant=peer.request_grant,
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
        request_grant=peer.request_grant,
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
        request_grant=peer.request_grant,
    )
    put = {path: body for path, (_headers, body) in peer.puts.items()}
    if fails:
        assert outcome.error is not None
        assert put == {"/half/0": b"first"}
    else:
        assert put == {"/half/0": b"first", "/half/1": b"second", "/joined": b"firstsecond"}
