"""Engines that read users' files, each call in a sandbox of its own.

They are for machines that have other work and our secrets nearby. On Modal the container is a
sandbox already, and filling a GPU's memory for each call would be too slow: there engines run
directly.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gpu_tasks.runtime import overrides, sandbox
from gpu_tasks.runtime.confinement import Limits
from gpu_tasks.runtime.contract import (
    Contract,
    EngineInfo,
    InputFile,
    OutputFile,
    Payload,
    PlainModel,
)
from gpu_tasks.runtime.engine import Engine, Host, Workspace, contracts, load
from gpu_tasks.runtime.errors import EngineError, ErrorCode
from gpu_tasks.runtime.sandbox import Limit, SandboxExceededError
from gpu_tasks.runtime.stages import Stage

MEMORY_BYTES = 4 * 1024**3
"""Limit of the address space of an engine, and of each FFmpeg process that it starts."""
MAX_CORES = 64
"""Every thread of FFmpeg uses CPU time, so its limit is this many times the time limit."""
FILE_BYTES = 64 * 1024**3
OPEN_FILES = 256
ANSWER_BYTES = 64 * 1024**2
"""Limit of a result. Transcripts of hours are the largest."""
VARIABLES = ("AUTEUR_PLUGINS", *overrides.VARIABLES)
CODE_OF_LIMIT = {
    Limit.MEMORY: ErrorCode.GPU_OOM,
    Limit.CPU: ErrorCode.GPU_TIMEOUT,
    Limit.TIME: ErrorCode.GPU_TIMEOUT,
    Limit.CRASH: ErrorCode.MODEL_ERROR,
}


def build_limits(contract: Contract) -> Limits:
    """Return the limits of a call of this function."""
    return Limits(
        memory_bytes=MEMORY_BYTES,
        cpu_seconds=contract.time_limit_seconds * MAX_CORES,
        wall_seconds=contract.time_limit_seconds,
        file_bytes=FILE_BYTES,
        open_files=OPEN_FILES,
        answer_bytes=ANSWER_BYTES,
        programs=True,
    )


class IsolatedEngine(Engine):
    """An engine on a CPU that is loaded anew for each call."""

    def __init__(
        self,
        function: str,
        engine: str,
        model_dir: Path | None = None,
        limits: Limits | None = None,
    ) -> None:
        folder = None if model_dir is None else str(model_dir)
        self._load_arguments = {"function": function, "engine": engine, "model_dir": folder}
        self._function = function
        default_limits = build_limits(contracts()[function])
        self._limits = limits or default_limits
        self._info = EngineInfo.model_validate(self._run_in_sandbox("describe", default_limits))

    @property
    def info(self) -> EngineInfo:
        """Return the engine's description of itself."""
        return self._info

    def run(self, payload: Payload, workspace: Workspace) -> PlainModel:
        """Run the engine in the sandbox.

        Raises what the engine raises, and ``EngineError`` if it exceeds a limit.
        """
        share = 0.0

        def report(message: Any) -> None:
            nonlocal share
            if isinstance(message, list):
                name, index = message
                workspace.keep(str(name), int(index))
            elif isinstance(message, str):
                workspace.enter(Stage(message))
            else:
                share = float(message)
                workspace.progress(share)

        try:
            result = self._run_in_sandbox(
                "run",
                self._limits,
                folder=workspace.root,
                progress=report,
                tick=lambda: workspace.progress(share),
                payload=remove_urls(payload).model_dump(mode="json"),
            )
        except SandboxExceededError as exc:
            raise EngineError(CODE_OF_LIMIT.get(exc.limit, ErrorCode.INPUT_INVALID)) from exc
        return contracts()[self._function].result.model_validate(result)

    def _run_in_sandbox(
        self,
        name: str,
        limits: Limits,
        *,
        folder: Path | None = None,
        progress: Callable[[Any], None] | None = None,
        tick: Callable[[], None] = lambda: None,
        **arguments: Any,
    ) -> Any:
        return sandbox.run(
            f"{__name__}:{name}",
            {**self._load_arguments, **arguments},
            limits=limits,
            folder=folder,
            progress=progress,
            tick=tick,
            environment={name: os.environ[name] for name in VARIABLES if name in os.environ},
        )


def remove_urls(payload: Payload) -> Payload:
    """Return the payload without URLs.

    Engines read the files of the workspace, and report to nobody.
    """

    def strip_url(value: Any) -> Any:
        if isinstance(value, tuple):
            return tuple(strip_url(item) for item in value)
        if isinstance(value, InputFile | OutputFile) and hasattr(value, "url"):
            return value.model_copy(update={"url": ""})
        return value

    fields = {name: strip_url(value) for name, value in payload}
    return payload.model_copy(update=fields | {"callback_url": ""})


# --- In the sandbox ---------------------------------------------------------------------------


def describe(function: str, engine: str, model_dir: str | None) -> dict[str, Any]:
    """Return the engine's description of itself."""
    return _load_engine(function, engine, model_dir).info.model_dump(mode="json")


def run(
    function: str,
    engine: str,
    model_dir: str | None,
    payload: dict[str, Any],
    tell: Callable[[Any], None],
) -> dict[str, Any]:
    """Run one call in the current folder, which holds its inputs."""
    valid_payload = contracts()[function].payload.model_validate(payload)
    workspace = Workspace(
        root=Path.cwd(),
        progress=tell,
        keep=lambda name, index: tell([name, index]),
        enter=tell,
    )
    loaded_engine = _load_engine(function, engine, model_dir)
    return loaded_engine.run(valid_payload, workspace).model_dump(mode="json")


def _load_engine(function: str, engine: str, model_dir: str | None) -> Engine:
    return load(function, engine, Host(Path(model_dir) if model_dir else None))
