"""What an engine is: ``load`` once, ``run`` once per call, in a workspace of files."""

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import gpu_tasks
from gpu_tasks.runtime.contract import Contract, EngineInfo, Wire

SHARED = ("runtime", "mediakit")
"""The folders of `gpu_tasks` that are no functions."""


@dataclass(frozen=True)
class Workspace:
    """The files of one call: inputs are already there, outputs are taken from there afterwards.

    A payload's field holds one file, or a tuple of them, which ``index`` counts.
    """

    root: Path
    progress: Callable[[float], None]
    """Report the share done, 0 to 1. Raises ``Stopped`` when nobody wants the result any more."""
    keep: Callable[[str, int], None] = lambda _name, _index: None
    """Put an output of a tuple to its place now, so that it outlives this call's failure."""

    def input(self, name: str, index: int = 0) -> Path:
        """Where the payload's input field ``name`` was downloaded to."""
        return next((self.root / "in" / name / str(index)).iterdir())

    def output(self, name: str, index: int = 0) -> Path:
        """Where the engine must write the payload's output field ``name``."""
        return self.root / "out" / name / str(index)

    def scratch(self, name: str) -> Path:
        """Where the engine may write a file of its own."""
        return self.root / name


class Engine(Protocol):
    """A loaded engine."""

    info: EngineInfo

    def run(self, payload: Any, workspace: Workspace) -> Wire:
        """Do the work; known failures raise ``EngineError``."""
        ...


@cache
def contracts() -> dict[str, Contract]:
    """Every GPU function by name, found by its folder."""
    found = {}
    for module in pkgutil.iter_modules(gpu_tasks.__path__):
        if module.name not in SHARED:
            contract = importlib.import_module(f"gpu_tasks.{module.name}.contract").CONTRACT
            found[contract.name] = contract
    return found


def load(function: str, engine: str, model_dir: Path | None, device: str, dtype: str) -> Engine:
    """The engine ``draft`` or ``production`` of a function; `loading.Engines` keeps it."""
    module = importlib.import_module(f"gpu_tasks.{function}.{engine}")
    loaded: Engine = module.load(model_dir=model_dir, device=device, dtype=dtype)
    return loaded
