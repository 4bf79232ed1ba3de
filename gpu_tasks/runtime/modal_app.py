"""The Modal app: one function for each contract, under the contract's name.

``modal deploy -m gpu_tasks.runtime.modal_app`` deploys it. It declares nothing about a function
beyond the contract, and imports neither Django nor an engine. A container imports the engines of
its function here, so that a memory snapshot contains them.
"""

import importlib
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import modal
from pydantic import SecretStr

from gpu_tasks.runtime import overrides, weights
from gpu_tasks.runtime.contract import Contract, ImageFamily, get_rented_limit
from gpu_tasks.runtime.engine import contracts
from gpu_tasks.runtime.remote import handle

logger = logging.getLogger(__name__)

APP_NAME = os.environ.get("MODAL_APP", "auteur")
PYTHON = "3.11"
UV = "0.13.8"
MODEL_DIR = Path("/models")
LOCKS = Path(__file__).parents[2] / "requirements" / "images"
FUNCTION_VARIABLE = "AUTEUR_FUNCTION"
DOWNLOAD_SECONDS = 4 * 3600
DOWNLOAD_MEMORY_MB = 65536
"""A part that is converted to half precision is in memory as a whole: up to 17 B parameters."""
OFFLINE = {"HF_HUB_OFFLINE": "1", "PYANNOTE_METRICS_ENABLED": "0"}
"""Engines read their weights from the volume, and send no telemetry."""

app = modal.App(APP_NAME, include_source=False)
volume = modal.Volume.from_name("auteur-models", create_if_missing=True)
hub_secret = modal.Secret.from_name("auteur-huggingface", required_keys=["HF_TOKEN"])


def build_image(lock: str) -> modal.Image:
    """Return an image with the packages of `requirements/images/<lock>.txt` and our code."""
    return (
        modal.Image.debian_slim(python_version=PYTHON)
        .uv_pip_install(requirements=[str(LOCKS / f"{lock}.txt")], uv_version=UV)
        .add_local_python_source("gpu_tasks", ignore=[])  # by default, only Python files are added
    )


images = {family: build_image(family.value) for family in ImageFamily}


def get_implementation_name(contract: Contract) -> str:
    """Return the name by which containers find the function in this module."""
    return f"run_{contract.name}"


def _build_function(contract: Contract) -> Callable[[dict[str, Any], str, str], dict[str, Any]]:
    def function(payload: dict[str, Any], engine: str, key: str) -> dict[str, Any]:
        return handle(
            contract=contract,
            engine=engine,
            payload=payload,
            call_id=modal.current_function_call_id() or "",
            key=SecretStr(key),
            model_dir=MODEL_DIR,
        )

    function.__name__ = function.__qualname__ = get_implementation_name(contract)
    return function


def _register_function(contract: Contract) -> modal.Function[Any, Any, Any]:
    registered: modal.Function[Any, Any, Any] = app.function(
        name=contract.name,
        image=images[contract.image],
        gpu=contract.gpu.modal_type,
        cpu=contract.cpu,
        memory=contract.memory_mb,
        timeout=contract.time_limit_seconds,
        retries=0,  # only the orchestrator retries
        max_containers=contract.at_once or get_rented_limit(contract.gpu),
        enable_memory_snapshot=contract.snapshot,
        volumes={str(MODEL_DIR): volume.with_mount_options(read_only=True)},
        env={FUNCTION_VARIABLE: contract.name, **OFFLINE, **overrides.list_variables()},
        _experimental_restrict_output=True,  # CBOR: results of containers are never unpickled
    )(_build_function(contract))
    return registered


for _contract in contracts().values():
    globals()[get_implementation_name(_contract)] = _register_function(_contract)


@app.function(
    image=images[ImageFamily.DIFFUSION],
    secrets=[hub_secret],
    env={**overrides.list_variables()},
    volumes={str(MODEL_DIR): volume},
    cpu=4.0,
    memory=DOWNLOAD_MEMORY_MB,
    timeout=DOWNLOAD_SECONDS,
    retries=0,
)
def download_models() -> list[str]:
    """Download the pinned weights of all contracts into the volume; return their pins."""
    from huggingface_hub import snapshot_download  # noqa: PLC0415 - in that image only

    from gpu_tasks.runtime import dtype_conversion  # noqa: PLC0415 - it imports torch

    dtypes = {
        model: contract.dtype
        for contract in contracts().values()
        for model in contract.models.values()
    }
    for model, dtype in sorted(dtypes.items()):
        name, revision = weights.parse_pin(model)
        folder = weights.get_folder(MODEL_DIR, model)
        if model in weights.BY_BRANCH:
            logger.warning("%s is not pinned: what comes is what its branch has today", model)
        parts = weights.HALF_PRECISION_PARTS.get(name, ())
        stored_patterns = [
            f"{part}/*" for part in parts if dtype_conversion.is_stored(folder / part, dtype)
        ]
        unused = weights.UNUSED.get(name, ())
        snapshot_download(
            name, revision=revision, local_dir=folder, ignore_patterns=[*unused, *stored_patterns]
        )
        dtype_conversion.store(folder, parts, dtype)
        volume.commit()
    return sorted(dtypes)


def _import_engines(function: str) -> None:
    for engine in ("production", "draft"):
        try:
            importlib.import_module(f"gpu_tasks.{function}.{engine}")
        except Exception:  # a missing engine must not make the container restart for ever
            logger.warning("the %s engine of %s is not imported", engine, function, exc_info=True)


if not modal.is_local() and FUNCTION_VARIABLE in os.environ:
    _import_engines(os.environ[FUNCTION_VARIABLE])
