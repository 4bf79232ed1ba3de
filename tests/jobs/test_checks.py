"""What is asked for and missing is said before anything starts."""

import subprocess
import sys
from io import StringIO

import pytest
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from pytest_django import Settings

from auteur.devstack.processes import BASE_DIR
from gpu_tasks.runtime.engine import contracts

OCR = ("rapidocr", "onnxruntime")


def without(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """As if these packages, and all programs, were not installed."""
    monkeypatch.setenv("PATH", "")
    for name in names:
        monkeypatch.setitem(sys.modules, name, None)


def test_draft_engines_that_cannot_run_stop_the_start(
    monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    settings.INFERENCE_ENGINE = "draft"
    without(monkeypatch, *OCR, "espeakng_loader")
    with pytest.raises(SystemCheckError) as refused:
        call_command("check", stdout=StringIO())
    text = str(refused.value)
    missing = "is configured, but these packages are missing:"
    assert f"draft engine of video_query {missing} rapidocr, onnxruntime." in text
    assert f"draft engine of tts {missing} bin/flite or espeakng_loader." in text
    assert "ENGINES=drafts" in text


def test_they_are_missed_where_they_would_run_only(
    monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    without(monkeypatch, *OCR, "espeakng_loader")
    settings.INFERENCE_ENGINE = "production"
    call_command("check", stdout=StringIO())
    settings.INFERENCE_ENGINE, settings.INFERENCE_BACKEND = "draft", "modal"
    call_command("check", stdout=StringIO())


IMPORTS = """
import importlib, sys
for name in sys.argv[1].split():
    sys.modules[name] = None
from auteur.devstack.processes import BASE_DIR
from gpu_tasks.runtime.engine import contracts
for name in contracts():
    try:
        importlib.import_module(f"gpu_tasks.{name}.draft")
    except ImportError:
        print(name)
"""


def test_drafts_say_what_they_need_of_what_an_image_lacks() -> None:
    command = [sys.executable, "-c", IMPORTS, " ".join(OCR)]
    tried = subprocess.run(command, cwd=BASE_DIR, capture_output=True, text=True, check=True)
    needy = {name for name, contract in contracts().items() if "rapidocr" in contract.draft_needs}
    assert set(tried.stdout.split()) == needy != set()
