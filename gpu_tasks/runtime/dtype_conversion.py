"""Weights as they are published, made into weights as engines read them: once, where they lie."""

import importlib
import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import torch

LARGEST_FILE = "10GB"
"""Of those that a part is stored in."""


def is_stored(part: Path, dtype: str) -> bool:
    """Whether the folder of a part holds what ``store`` has made of it."""
    return _mark(part, dtype).exists()


def store(folder: Path, parts: Sequence[str], dtype: str) -> None:
    """Rewrite parts of a diffusers pipeline in ``dtype``, but for those that are stored in it.

    What their classes always keep in single precision stays so. Where it was interrupted, the
    part's files may be missing: fetch them again first.
    """
    if not parts:  # it may be no pipeline
        return
    index = json.loads((folder / "model_index.json").read_text(encoding="utf-8"))
    for part in parts:
        if not is_stored(folder / part, dtype):
            library, name = index[part]
            _rewrite(folder / part, library, name, dtype)


def _rewrite(part: Path, library: str, name: str, dtype: str) -> None:
    kind = getattr(importlib.import_module(library), name)
    made = part.with_name(f"{part.name}.{dtype}")
    kind.from_pretrained(part, dtype=getattr(torch, dtype)).save_pretrained(
        made, max_shard_size=LARGEST_FILE
    )
    _mark(made, dtype).touch()
    shutil.rmtree(part)
    made.rename(part)


def _mark(part: Path, dtype: str) -> Path:
    return part / f".stored-in-{dtype}"
