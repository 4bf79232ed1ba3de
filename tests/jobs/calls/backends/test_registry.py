"""Which backends there are, and what each of them loads."""

import subprocess
import sys

import pytest

from auteur.devstack.processes import BASE_DIR
from jobs.calls.backends.base import BackendUnavailableError
from jobs.calls.backends.local import LocalBackend
from jobs.calls.backends.modal import ModalBackend
from jobs.calls.backends.registry import get_backend

LOOK = """
import sys, django
django.setup()
from jobs.calls.backends.registry import get_backend
get_backend("local")
print("modal" in sys.modules)
get_backend("modal")
print("modal" in sys.modules)
"""


def test_backends_by_name():
    assert isinstance(get_backend("local"), LocalBackend)
    assert isinstance(get_backend("modal"), ModalBackend)
    assert get_backend("modal") is get_backend("modal")


def test_a_backend_that_we_do_not_have_is_unavailable():
    with pytest.raises(BackendUnavailableError):
        get_backend("jobs.calls.backends.nowhere.Backend")


def test_modals_client_is_loaded_by_who_uses_it():
    run = subprocess.run(
        [sys.executable, "-c", LOOK], cwd=BASE_DIR, capture_output=True, text=True, check=True
    )
    assert run.stdout.split() == ["False", "True"]
