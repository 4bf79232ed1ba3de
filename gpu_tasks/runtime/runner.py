"""Run one call anywhere: fetch inputs, run the engine, store outputs, return the outcome."""

import logging
import math
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

import requests

from gpu_tasks.runtime import transfers
from gpu_tasks.runtime.callback import OutputGrant
from gpu_tasks.runtime.contract import (
    MAX_MESSAGE_LENGTH,
    MAX_TENTHS,
    Failure,
    InputFile,
    Outcome,
    OutputFile,
    Payload,
)
from gpu_tasks.runtime.engine import Engine, Workspace
from gpu_tasks.runtime.errors import EngineError, ErrorCode, KilledError, StoppedError
from gpu_tasks.runtime.stages import Stage

logger = logging.getLogger(__name__)

REPORT_SECONDS = 15.0
"""Time reserved at the end of a call's time limit, to report that a storage did not answer."""
RequestGrant = Callable[[OutputFile, int], OutputGrant]
Tell = Callable[[float, Stage], None]
OUT_OF_MEMORY = ("out of memory", "CUBLAS_STATUS_ALLOC_FAILED", "CUDNN_STATUS_ALLOC_FAILED")
"""Texts in errors of CUDA and its libraries when a GPU has no memory left."""


def run(
    *,
    engine: Engine,
    payload: Payload,
    progress: Tell,
    request_grant: RequestGrant,
    load_seconds: float = 0.0,
    time_limit_seconds: float = math.inf,
) -> Outcome:
    """Return the outcome of one call, errors included; raise ``StoppedError`` only.

    ``request_grant`` returns an upload URL for an output (`callback.Reporter.request_grant`).
    ``load_seconds`` is how long this call has waited for its engine to be loaded. It counts towards
    the time limit, within which the call waits for storages that do not answer.
    """
    started = time.monotonic()
    started_at = datetime.now(UTC) - timedelta(seconds=load_seconds)
    reporter = _ProgressReporter(progress, since=started - load_seconds)
    storage = _Storage(
        request_grant,
        reporter,
        since=started - load_seconds,
        ends_at=started - load_seconds + time_limit_seconds - REPORT_SECONDS,
    )

    def outcome(**ending: object) -> Outcome:
        measurements = {
            "started_at": started_at,
            "load_seconds": load_seconds,
            "seconds": time.monotonic() - started,
            "tenths": reporter.tenths[:MAX_TENTHS],
        }
        return Outcome.model_validate({"engine": engine.info, **measurements, **ending})

    try:
        with tempfile.TemporaryDirectory(prefix="auteur-") as root:
            outputs = _Outputs(payload, Path(root), storage)
            workspace = Workspace(
                root=Path(root), progress=reporter.progress, keep=outputs.put, enter=reporter.enter
            )
            _fetch_inputs(payload, workspace, storage)
            reporter.enter(Stage.RUNNING)
            result = engine.run(payload, workspace)
            reporter.enter(Stage.UPLOADING)
            outputs.put_all()
        return outcome(result=result.model_dump(mode="json"))
    except StoppedError:
        raise
    except EngineError as exc:
        return outcome(error=Failure(code=exc.code, message=exc.message[:MAX_MESSAGE_LENGTH]))
    except Exception as exc:  # noqa: BLE001 - the outcome carries it, whatever it is
        _log_error(payload, exc)
        error = EngineError(get_error_code(exc))
        return outcome(error=Failure(code=error.code, message=error.message))


class _ProgressReporter:
    """Reports progress and stage of a call, and records when each tenth was done."""

    def __init__(self, tell: Tell, since: float) -> None:
        self._tell = tell
        self._since = since
        self._stage = Stage.FETCHING
        self._share = 0.0
        self.tenths: list[float] = []

    def progress(self, share: float) -> None:
        self._share = share
        while (len(self.tenths) + 1) / 10 <= min(share, MAX_TENTHS / 10):
            self.tenths.append(round(time.monotonic() - self._since, 3))
        self._tell(share, self._stage)

    def enter(self, stage: Stage) -> None:
        self._stage = stage
        self.progress(self._share)

    def repeat(self) -> None:
        """Report the same progress again, to show life and to learn whether the call is stopped."""
        self._tell(self._share, self._stage)


def _log_error(payload: Payload, exc: Exception) -> None:
    if isinstance(exc, requests.RequestException):
        # The text and the traceback of the error hold the signed URL.
        status = exc.response.status_code if exc.response is not None else "no answer"
        logger.error("%s: storage: %s, %s", payload.attempt_id, type(exc).__name__, status)
    else:
        logger.error("%s failed", payload.attempt_id, exc_info=exc)


def get_error_code(exc: BaseException) -> ErrorCode:
    """Return the error code for an error that is not an ``EngineError``."""
    if isinstance(exc, MemoryError) or _is_out_of_memory(exc):
        return ErrorCode.GPU_OOM
    if isinstance(exc, KilledError):
        return ErrorCode.GPU_UNAVAILABLE
    # A full disk is an outage too: the same call may succeed elsewhere, or later.
    if isinstance(exc, requests.RequestException) or transfers.is_outage(exc):
        return ErrorCode.STORAGE_ERROR
    return ErrorCode.MODEL_ERROR


def _is_out_of_memory(exc: BaseException) -> bool:
    # torch is not imported here. Its own error is recognised by name, errors of CUDA's libraries
    # by their text.
    if type(exc).__name__ == "OutOfMemoryError":
        return True
    return isinstance(exc, RuntimeError) and any(text in str(exc) for text in OUT_OF_MEMORY)


File = TypeVar("File", InputFile, OutputFile)


def list_files(payload: Payload, kind: type[File]) -> Iterator[tuple[str, int, File]]:
    """Yield the payload's files of a kind as field name, index and file.

    The index is 0 if the field holds a single file.
    """
    for name, value in payload:
        for index, file in enumerate(value if isinstance(value, tuple) else (value,)):
            if isinstance(file, kind):
                yield name, index, file


@dataclass
class _Storage:
    """The transfers of a call's files, with the time that they may wait for the storage."""

    request_grant: RequestGrant
    reporter: _ProgressReporter
    since: float
    ends_at: float

    def build_patience(self, *, seconds: float) -> transfers.Patience:
        return transfers.Patience(
            seconds=seconds, ends_at=self.ends_at, report_progress=self.reporter.repeat
        )

    def fetch(self, url: str, target: Path) -> None:
        transfers.fetch(
            url,
            target,
            patience=self.build_patience(seconds=transfers.OUTAGE_SECONDS),
            report_progress=self.reporter.repeat,
        )

    def store(self, path: Path, file: OutputFile) -> None:
        """Store an output.

        It waits for the storage as long as the work took: computing it again would cost at least
        that.
        """
        size_bytes = path.stat().st_size
        seconds = max(transfers.OUTAGE_SECONDS, time.monotonic() - self.since)
        transfers.store(
            path,
            patience=self.build_patience(seconds=seconds),
            request_grant=lambda: self.request_grant(file, size_bytes),
            size_bytes=size_bytes,
        )


def _fetch_inputs(payload: Payload, workspace: Workspace, storage: _Storage) -> None:
    for name, index, file in list_files(payload, InputFile):
        target = workspace.root / "in" / name / str(index) / Path(file.name).name
        target.parent.mkdir(parents=True)
        storage.fetch(file.url, target)


class _Outputs:
    """The outputs of a call, each of which is stored once."""

    def __init__(self, payload: Payload, root: Path, storage: _Storage) -> None:
        self._storage = storage
        self._pending = {
            (name, index): file for name, index, file in list_files(payload, OutputFile)
        }
        self._root = root
        for name, _index in self._pending:
            (root / "out" / name).mkdir(parents=True, exist_ok=True)

    def put(self, name: str, index: int) -> None:
        """Store one output."""
        file = self._pending.pop((name, index))
        self._storage.store(self._root / "out" / name / str(index), file)

    def put_all(self) -> None:
        """Store the outputs that have not been stored yet."""
        for name, index in list(self._pending):
            self.put(name, index)
