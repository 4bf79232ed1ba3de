"""Engines and their workspaces: an engine is loaded once, and run once per call."""

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
"""The folders of `gpu_tasks` that are not GPU functions."""


@dataclass(frozen=True)
class Workspace:
    """The files of one call: the downloaded inputs, and the outputs to be stored.

    A field of the payload holds one file, or a tuple of them, which ``index`` counts.
    """

    root: Path
    progress: Callable[[float], None]
    """Report the progress, 0 to 1. Raises ``StoppedError`` if the result is no longer wanted."""
    keep: Callable[[str, int], None] = lambda _name, _index: None
    """Store an output of a tuple now, so that it outlives a failure of this call."""
    enter: Callable[[Stage], None] = lambda _stage: None
    """Report the stage that begins now; raises as ``progress`` does."""

    def input(self, name: str, index: int = 0) -> Path:
        """Return the path to which the payload's input field ``name`` was downloaded."""
        return next((self.root / "in" / name / str(index)).iterdir())

    def output(self, name: str, index: int = 0) -> Path:
        """Return the path to which the engine must write the payload's output field ``name``."""
        return self.root / "out" / name / str(index)

    def scratch(self, name: str) -> Path:
        """Return a path to which the engine may write a file of its own."""
        return self.root / name

    def progress_within(self, begin: float, end: float) -> Callable[[float], None]:
        """Return a function that reports the progress of the part from ``begin`` to ``end``."""
        return lambda share: self.progress(begin + (end - begin) * share)


@dataclass(frozen=True)
class Host:
    """The machine that an engine is loaded onto; by default a CPU, without weights."""

    model_dir: Path | None = None
    device: str = "cpu"
    dtype: str = "float32"
    """PyTorch's name of the number type."""

    def weights(self, model: str) -> Path:
        """Return the folder of ``id@revision``; raise ``FileNotFoundError`` if it is missing."""
        if self.model_dir is None:
            raise FileNotFoundError(f"no weights of {model}: MODEL_DIR is not set")
        folder = weights.get_folder(self.model_dir, model)
        if not folder.is_dir():  # libraries would look for it elsewhere
            raise FileNotFoundError(f"no weights of {model}: {folder} is missing")
        return folder


class Engine(ABC):
    """A loaded engine.

    Its class is ``DraftEngine`` in a function's `draft.py`, or ``ProductionEngine`` in its
    `production.py`.
    """

    model: str
    """The ids of its models, with their revisions where they have any."""

    @classmethod
    def load(cls, host: Host) -> Self:
        """Load the engine. One without weights ignores the host."""
        del host
        return cls()

    @property
    def info(self) -> EngineInfo:
        """Return the name of the engine, which is that of its module, and its model."""
        return EngineInfo(name=type(self).__module__.rpartition(".")[2], model=self.model)

    @abstractmethod
    def run(self, payload: Any, workspace: Workspace) -> PlainModel:
        """Do the work; known failures raise ``EngineError``."""


@cache
def contracts() -> dict[str, Contract]:
    """Return every GPU function's contract by its name.

    Raises ``InvalidOverrideError`` if a setting names a function that does not exist.
    """
    by_name = {}
    for module in pkgutil.iter_modules(gpu_tasks.__path__):
        if module.name not in SHARED:
            contract = importlib.import_module(f"gpu_tasks.{module.name}.contract").CONTRACT
            by_name[contract.name] = contract
    overrides.check_names(by_name)
    return by_name


def load(function: str, engine: str, host: Host = Host()) -> Engine:
    """Load the engine ``draft`` or ``production`` of a function; `EngineCache` keeps it."""
    module = importlib.import_module(f"gpu_tasks.{function}.{engine}")
    kind: type[Engine] = getattr(module, f"{engine.title()}Engine")
    return kind.load(host)
