"""The last step of `make check`: what needs settings or a database."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from auteur.devstack import environment, ports, postgres, stack
from auteur.devstack.processes import BASE_DIR
from auteur.devstack.supervisor import Supervisor

CHECKS = (
    "-m mypy .",
    "manage.py check --fail-level WARNING",
    "manage.py makemigrations --check --dry-run",
    "manage.py lint_migrations",
    "manage.py lint_schemas",
    "-m auteur.devstack schema --check",
    "-m auteur.devstack docs --check",
)


def run() -> int:
    """Run the checks against a PostgreSQL of their own; 0 only if all pass."""
    with tempfile.TemporaryDirectory(prefix="auteur-check-") as folder:
        var = Path(folder)
        numbers = map(str, ports.free_ports(len(ports.DEFAULTS)))
        chosen = ports.read(dict(zip(ports.DEFAULTS, numbers, strict=True)))
        stack.make_folders(var)
        values = environment.prepare(var, chosen)
        server = postgres.process(
            data=var / "postgres",
            port=chosen.postgres,
            password=values["POSTGRES_PASSWORD"],
            throwaway=True,
        )
        supervisor = Supervisor([server], var / "log", report=lambda line: None)
        try:
            supervisor.start()
            values["DATABASE_URL"] = values["MIGRATION_DATABASE_URL"]  # of whom there is already
            return _run_checks(environment.of_children(values, os.environ))
        finally:
            supervisor.stop()


def _run_checks(values: dict[str, str]) -> int:
    running = [
        subprocess.Popen([sys.executable, *line.split()], cwd=BASE_DIR, env=values)
        for line in CHECKS
    ]
    return max(check.wait() for check in running)
