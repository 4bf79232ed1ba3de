"""The baselines' servers, which have settings of their own."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from auteur.devstack.processes import BASE_DIR


@pytest.mark.parametrize("program", ["bare_edl", "plain"])
def test_a_baseline_has_every_setting_that_the_server_reads(program: str) -> None:
    sources = (BASE_DIR / "auteur/server").glob("*.py")
    names = {
        name for path in sources for name in re.findall(r"\bsettings\.([A-Z_]+)", path.read_text())
    }
    assert "API_PROCESSES" in names
    code = (
        f"import benchmarks.{program}\n"
        "from django.conf import settings\n"
        f"print([name for name in {sorted(names)} if not hasattr(settings, name)])"
    )
    addresses = {
        "MONGODB_URI": "mongodb://127.0.0.1:9/",
        "BENCHMARK_DATABASE_URL": "postgresql://a:b@127.0.0.1:9/c",
    }
    output = subprocess.run(
        [sys.executable, "-c", code],
        cwd=BASE_DIR,
        env={**os.environ, **addresses, "PYTHONPATH": str(Path(BASE_DIR))},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert output.strip() == "[]"
