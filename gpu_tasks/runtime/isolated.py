"""Engines that read what users brought: each call in a sandbox of its own.

For machines where other work and our secrets are near. A container of Modal is a sandbox already,
and a GPU's memory is too slow to fill for each call: there engines run as they are.
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
"""Of address space, for an engine and for each FFmpeg that it starts."""
MAX_CORES = 64
"""Threads of FFmpeg count seconds each: CPU time is as many times the time limit."""
FILE_BYTES = 64 * 1024**3
OPEN_FILES = 256
ANSWER_BYTES = 64 * 1024**2
"""Of a result: a transcript of hours has some."""
VARIABLES = ("AUTEUR_PLUGINS", *overrides.VARIABLES)
CODE_OF_LIMIT = {
    Limit.MEMORY: ErrorCode.GPU_OOM,
    Limit.CPU: ErrorCode.GPU_TIMEOUT,
    Limit.TIME: ErrorCode.GPU_TIMEOUT,
    Limit.CRASH: ErrorCode.MODEL_ERROR,
}


def limits_of(contract: Contract) -> Limits:
    """What a call of this function may take."""
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
    """An engine on a CPU that is loaded for each call."""

    def __init__(
        self,
        function: str,
        engine: str,
        model_dir: Path | None = None,
        limits: Limits | None = None,
    ) -> None:
        folder = None if model_dir is None else str(model_dir)
        self._which = {"function": function, "engine": engine, "model_dir": folder}
        self._function = function
        loading = limits_of(contracts()[function])
        self._limits = limits or loading
        self._info = EngineInfo.model_validate(self._call("describe", loading))

    @property
    def info(self) -> EngineInfo:
        """What the engine says of itself."""
        return self._info

    def run(self, payload: Payload, workspace: Workspace) -> PlainModel:
        """The engine's result; raises as it does, and ``EngineError`` where it takes too much."""
        share = 0.0

        def tell(said: Any) -> None:
            nonlocal share
            if isinstance(said, list):
                name, index = said
                workspace.keep(str(name), int(index))
            elif isinstance(said, str):
                workspace.enter(Stage(said))
            else:
                share = float(said)
                workspace.progress(share)

        try:
            found = self._call(
                "run",
                self._limits,
                folder=workspace.root,
                progress=tell,
                tick=lambda: workspace.progress(share),
                payload=without_addresses(payload).model_dump(mode="json"),
            )
        except SandboxExceededError as exc:
            raise EngineError(CODE_OF_LIMIT.get(exc.limit, ErrorCode.INPUT_INVALID)) from exc
        return contracts()[self._function].result.model_validate(found)

    def _call(
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
            {**self._which, **arguments},
            limits=limits,
            folder=folder,
            progress=progress,
            tick=tick,
            environment={name: os.environ[name] for name in VARIABLES if name in os.environ},
        )


def without_addresses(payload: Payload) -> Payload:
    """What an engine needs of a call: its files lie in the workspace, and it tells nobody."""

    def bare(value: Any) -> Any:
        if isinstance(value, tuple):
            return tuple(bare(one) for one in value)
        if isinstance(value, InputFile | OutputFile) and hasattr(value, "url"):
            return value.model_copy(update={"url": ""})
        return value

    files = {name: bare(value) for name, value in payload}
    return payload.model_copy(update=files | {"callback_url": ""})


# --- In the sandbox ---------------------------------------------------------------------------


def describe(function: str, engine: str, model_dir: str | None) -> dict[str, Any]:
    """What the engine says of itself."""
    return _load(function, engine, model_dir).info.model_dump(mode="json")


def run(
    function: str,
    engine: str,
    model_dir: str | None,
    payload: dict[str, Any],
    tell: Callable[[Any], None],
) -> dict[str, Any]:
    """Run one call in the present folder, whose inputs are there."""
    known = contracts()[function].payload.model_validate(payload)
    workspace = Workspace(
        root=Path.cwd(),
        progress=tell,
        keep=lambda name, index: tell([name, index]),
        enter=tell,
    )
    return _load(function, engine, model_dir).run(known, workspace).model_dump(mode="json")


def _load(function: str, engine: str, model_dir: str | None) -> Engine:
    return load(function, engine, Host(Path(model_dir) if model_dir else None))
