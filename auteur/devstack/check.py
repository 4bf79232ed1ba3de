"""The last step of `make check`: checks that need settings or a database."""

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
    "-m auteur.devstack names",
)


def run_checks() -> int:
    """Run the checks against a PostgreSQL of their own. Return 0 only if all pass."""
    with tempfile.TemporaryDirectory(prefix="auteur-check-") as folder:
        var = Path(folder)
        numbers = map(str, ports.find_free_ports(len(ports.DEFAULTS)))
        stack_ports = ports.read_ports(dict(zip(ports.DEFAULTS, numbers, strict=True)))
        stack.create_folders(var)
        values = environment.write_environment(var, stack_ports)
        server = postgres.build_process(
            data=var / "postgres",
            port=stack_ports.postgres,
            password=values["POSTGRES_PASSWORD"],
            throwaway=True,
        )
        supervisor = Supervisor([server], var / "log", report=lambda line: None)
        try:
            supervisor.start()
            # The application's role does not exist yet, the owner does.
            values["DATABASE_URL"] = values["MIGRATION_DATABASE_URL"]
            return _wait_for_checks(environment.build_child_environment(values, os.environ))
        finally:
            supervisor.stop()


def _wait_for_checks(values: dict[str, str]) -> int:
    processes = [
        subprocess.Popen([sys.executable, *line.split()], cwd=BASE_DIR, env=values)
        for line in CHECKS
    ]
    return max(check.wait() for check in processes)
