"""Conversion of published weights to the number type that engines read, once and in place."""

import importlib
import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import torch

LARGEST_FILE = "10GB"
"""Largest size of the files in which a part is stored."""


def is_stored(part: Path, dtype: str) -> bool:
    """Return whether the folder of a part holds the result of ``store``."""
    return _get_marker(part, dtype).exists()


def store(folder: Path, parts: Sequence[str], dtype: str) -> None:
    """Rewrite the parts of a diffusers pipeline in ``dtype``, unless they are stored in it already.

    Tensors that the classes always keep in single precision stay so. If a run was interrupted, the
    part's files may be missing: fetch them again first.
    """
    if not parts:  # the folder may hold no pipeline
        return
    index = json.loads((folder / "model_index.json").read_text(encoding="utf-8"))
    for part in parts:
        if not is_stored(folder / part, dtype):
            library, name = index[part]
            _rewrite_part(folder / part, library, name, dtype)


def _rewrite_part(part: Path, library: str, name: str, dtype: str) -> None:
    kind = getattr(importlib.import_module(library), name)
    converted = part.with_name(f"{part.name}.{dtype}")
    kind.from_pretrained(part, dtype=getattr(torch, dtype)).save_pretrained(
        converted, max_shard_size=LARGEST_FILE
    )
    _get_marker(converted, dtype).touch()
    shutil.rmtree(part)
    converted.rename(part)


def _get_marker(part: Path, dtype: str) -> Path:
    return part / f".stored-in-{dtype}"
