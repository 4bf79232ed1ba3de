"""The Modal app, deployed to a control plane on loopback."""

import inspect
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from modal._runtime.user_code_imports import import_single_function_service
from modal_proto import api_pb2

from auteur.devstack.processes import BASE_DIR
from gpu_tasks.runtime import engine
from gpu_tasks.runtime.contract import GpuClass, ImageFamily
from tests.modal_peer import check
from tests.modal_peer.book import Book

LOCKS = BASE_DIR / "requirements" / "images"
NOT_FOR_CONTAINERS = ("django", "celery", "auteur", "torch", "pocketsphinx")
LOOK = f"""
import sys, gpu_tasks.runtime.modal_app
print(*({{name.partition(".")[0] for name in sys.modules}} & {set(NOT_FOR_CONTAINERS)}))
"""


@pytest.fixture(scope="module")
def book() -> Book:
    """Return what a deployment of the app sends to Modal."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MODAL_SERVER_URL", "")
        return check.deployed()


def python(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    source = {name: value for name, value in os.environ.items() if name != "AUTEUR_PLUGINS"}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=BASE_DIR,
        env=source | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_modal_check_finds_no_difference():
    run = python("-m", "tests.modal_peer.check")
    assert run.returncode == 0, run.stdout + run.stderr
    assert "transcription" in run.stdout


def test_modal_check_fails_where_a_contract_is_not_kept(tmp_path: Path):
    folder = tmp_path / "functions" / "other"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text('"""A function that pins no revision."""')
    source = (BASE_DIR / "tests/plugins/functions/noop/contract.py").read_text()
    source = source.replace('name="noop"', 'name="other", models={"any": "a/b@main"}')
    (folder / "contract.py").write_text(source)
    run = python("-m", "tests.modal_peer.check", AUTEUR_PLUGINS=str(tmp_path))
    assert run.returncode == 1, run.stderr
    assert run.stdout.strip() == "other: revision of a/b@main is 4, not 40"


def test_modal_check_deploys_what_is_set():
    value = {
        "FEATURE_AT_ONCE": "transcription=7",
        "FEATURE_GPUS": "transcription=L40S",
        "FEATURE_MODELS": f"transcription.asr=someone/other@{'1' * 40}",
        "FEATURE_TIME_LIMITS": "transcription=900",
    }
    run = python("-m", "tests.modal_peer.check", **value)
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stdout.splitlines()[1:] == [f"Set beside them: {n}={v}" for n, v in value.items()]


def test_a_deploy_refuses_what_cannot_be_set():
    run = python("-c", LOOK, FEATURE_GPUS="video_generation=L4")
    assert run.returncode == 1
    assert "video_generation a L4: it needs 30 GB of memory, that has 24." in run.stderr


def test_what_was_set_since_the_deploy_is_told(book: Book, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("FEATURE_TIME_LIMITS", "tts=60")
    result = list(check.differences(book))
    reports = "what is set is {}, not {'FEATURE_TIME_LIMITS': 'tts=60'}"
    assert {f"tts: {reports}", f"download_models: {reports}"} <= set(result)


def test_what_is_deployed_is_what_the_contracts_say(book: Book):
    assert set(book.deployed) >= {"transcription", "noop"}
    assert list(check.differences(book)) == []


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"gpu": GpuClass.A100_80GB}, "GPU"),
        ({"gpu": GpuClass.CPU}, "containers"),
        ({"time_limit_seconds": 601}, "time limit"),
        ({"image": ImageFamily.TTS}, "image"),
        ({"snapshot": False}, "memory snapshot"),
    ],
)
def test_every_difference_is_told(
    book: Book, monkeypatch: pytest.MonkeyPatch, change: dict[str, object], what: str
):
    changed = {name: replace(contract, **change) for name, contract in engine.contracts().items()}
    monkeypatch.setattr(check, "contracts", lambda: changed)
    result = list(check.differences(book))
    assert any(line.startswith(f"transcription: {what} is ") for line in result)


@pytest.mark.parametrize(
    ("change", "reports"),
    [
        (lambda all_: all_.pop("noop"), "noop: not deployed"),
        (lambda all_: all_.update(more=all_["noop"]), "more: without a contract"),
    ],
)
def test_a_function_too_few_or_too_many_is_told(
    book: Book,
    change: Callable[[dict[str, api_pb2.Function]], object],
    reports: str,
):
    other = Book(**{**vars(book), "deployed": dict(book.deployed)})
    change(other.deployed)
    assert reports in list(check.differences(other))


def test_a_container_gets_our_inference_and_nothing_of_the_back_end(book: Book):
    sources = {name for name in book.files if name.startswith("/root/")}
    assert "/root/gpu_tasks/runtime/modal_app.py" in sources
    assert "/root/gpu_tasks/transcription/contract.py" in sources
    assert "/root/gpu_tasks/mediakit/faces/models/iris_landmark.tflite" in sources
    assert all(name.startswith("/root/gpu_tasks/") for name in sources)
    assert not any("backends" in name for name in sources)


@pytest.mark.parametrize("name", ["transcription", "noop"])
def test_modals_container_finds_the_function(book: Book, name: str):
    service = import_single_function_service(book.deployed[name], None)
    parameters = inspect.signature(service._user_defined_callable).parameters
    assert list(parameters) == check.SIGNATURE


def test_the_app_imports_neither_the_back_end_nor_an_engine():
    run = python("-c", LOOK)
    assert (run.returncode, run.stdout.strip()) == (0, ""), run.stderr


def test_a_container_survives_an_engine_that_cannot_be_imported(
    caplog: pytest.LogCaptureFixture,
):
    from gpu_tasks.runtime import modal_app

    modal_app._import_engines("noop")
    assert "the production engine of noop is not imported" in caplog.text
    assert "the draft engine" not in caplog.text


@pytest.mark.parametrize("lock", ImageFamily)
def test_every_image_is_locked_with_hashes(lock: str):
    pinned = (LOCKS / f"{lock}.txt").read_text()
    assert pinned.count("==") > 10
    assert "--hash=sha256:" in pinned
