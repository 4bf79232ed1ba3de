"""`make docs`: the docs site (`auteur.help`), built with default settings and without a store."""

import subprocess
import sys
import tempfile
from pathlib import Path

from auteur.devstack import contract
from auteur.devstack.processes import BASE_DIR


def build(target: Path | None = None) -> int:
    """Build the site, in ``var/help`` if nothing else is said; an exit status."""
    to = ["--to", str(target)] if target else []
    with tempfile.TemporaryDirectory(prefix="auteur-docs-") as folder:
        done = subprocess.run(
            [sys.executable, "manage.py", "build_help", *to],
            cwd=BASE_DIR,
            env=contract.default_environment(Path(folder)),
            check=False,
        )
    return done.returncode


def check() -> int:
    """Build it elsewhere, to see whether it can be; an exit status."""
    with tempfile.TemporaryDirectory(prefix="auteur-help-") as folder:
        return build(Path(folder) / "site")
