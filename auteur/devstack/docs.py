"""`make docs`: build the docs site (`auteur.help`) with default settings and without a store."""

import subprocess
import sys
import tempfile
from pathlib import Path

from auteur.devstack import contract
from auteur.devstack.processes import BASE_DIR


def build_docs(target: Path | None = None) -> int:
    """Build the site in ``target``, by default ``var/help``. Return an exit status."""
    options = ["--to", str(target)] if target else []
    with tempfile.TemporaryDirectory(prefix="auteur-docs-") as folder:
        result = subprocess.run(
            [sys.executable, "manage.py", "build_help", *options],
            cwd=BASE_DIR,
            env=contract.build_default_environment(Path(folder)),
            check=False,
        )
    return result.returncode


def check_docs() -> int:
    """Build the site in a temporary folder, to see if it can be built. Return an exit status."""
    with tempfile.TemporaryDirectory(prefix="auteur-help-") as folder:
        return build_docs(Path(folder) / "site")
