"""The settings as a process that starts with other variables reads them."""

import runpy
from typing import Any

import pytest

from auteur.devstack.processes import BASE_DIR
from gpu_tasks.runtime.engine import contracts


def read_settings(**variables: str) -> dict[str, Any]:
    """Run the settings module anew with these variables; raise what would stop a start."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        contracts.cache_clear()  # it checks variables, too
        try:
            return runpy.run_path(str(BASE_DIR / "auteur" / "settings.py"))
        finally:
            contracts.cache_clear()
