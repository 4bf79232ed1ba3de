"""What an engine is: loaded once, ``run`` once per call, in a workspace of files."""

import importlib
import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Self

import gpu_tasks
from gpu_tasks.runtime import overrides, weights
from gpu_tasks.runtime.contract import Contract, EngineInfo, PlainModel
from gpu_tasks.runtime.stages import Stage

SHARED = ("runtime", "mediakit")
"""The folders of `gpu_tasks` that are no functions."""


@dataclass(frozen=True)
class Workspace:
    """The files of one call: inputs are already there, outputs are taken from there afterwards.

    A payload's field holds one file, or a tuple of them, which ``index`` counts.
    """

    root: Path
    progress: Callable[[float], None]
    """Report the share done, 0 to 1.

    Raises ``StoppedError`` when nobody wants the result any more.
    """
    keep: Callable[[str, int], None] = lambda _name, _index: None
    """Put an output of a tuple to its place now, so that it outlives this call's failure."""
    enter: Callable[[Stage], None] = lambda _stage: None
    """Say what the work is from now on; raises as ``progress``."""

    def input(self, name: str, index: int = 0) -> Path:
        """Where the payload's input field ``name`` was downloaded to."""
        return next((self.root / "in" / name / str(index)).iterdir())

    def output(self, name: str, index: int = 0) -> Path:
        """Where the engine must write the payload's output field ``name``."""
        return self.root / "out" / name / str(index)

    def scratch(self, name: str) -> Path:
        """Where the engine may write a file of its own."""
        return self.root / name

    def progress_within(self, begin: float, end: float) -> Callable[[float], None]:
        """Reports the share done of one part of the work, which is from ``begin`` to ``end``."""
        return lambda share: self.progress(begin + (end - begin) * share)


@dataclass(frozen=True)
class Host:
    """What an engine is loaded onto; by default a CPU, without weights."""

    model_dir: Path | None = None
    device: str = "cpu"
    dtype: str = "float32"
    """What it reckons in, as PyTorch names it."""

    def weights(self, model: str) -> Path:
        """The folder of ``id@revision``; raises ``FileNotFoundError`` where it is not there."""
        if self.model_dir is None:
            raise FileNotFoundError(f"no weights of {model}: MODEL_DIR is not set")
        folder = weights.folder(self.model_dir, model)
        if not folder.is_dir():  # libraries would look for it elsewhere
            raise FileNotFoundError(f"no weights of {model}: {folder} is missing")
        return folder


class Engine(ABC):
    """A loaded engine: ``DraftEngine`` of a function's `draft.py`, ``ProductionEngine`` of its
    `production.py`.
    """

    model: str
    """What does the work: model ids with their revisions, where it has any."""

    @classmethod
    def load(cls, host: Host) -> Self:
        """The engine with what it needs; one without weights needs nothing of its host."""
        del host
        return cls()

    @property
    def info(self) -> EngineInfo:
        """Which engine this is, by the module that it is defined in."""
        return EngineInfo(name=type(self).__module__.rpartition(".")[2], model=self.model)

    @abstractmethod
    def run(self, payload: Any, workspace: Workspace) -> PlainModel:
        """Do the work; known failures raise ``EngineError``."""


@cache
def contracts() -> dict[str, Contract]:
    """Every GPU function by name, found by its folder.

    Raises ``InvalidOverrideError`` where something is set of one that is not there.
    """
    found = {}
    for module in pkgutil.iter_modules(gpu_tasks.__path__):
        if module.name not in SHARED:
            contract = importlib.import_module(f"gpu_tasks.{module.name}.contract").CONTRACT
            found[contract.name] = contract
    overrides.check_names(found)
    return found


def load(function: str, engine: str, host: Host = Host()) -> Engine:
    """The engine ``draft`` or ``production`` of a function; `loading.Engines` keeps it."""
    module = importlib.import_module(f"gpu_tasks.{function}.{engine}")
    kind: type[Engine] = getattr(module, f"{engine.title()}Engine")
    return kind.load(host)
