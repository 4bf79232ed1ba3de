"""Run management commands as a person would."""

import subprocess
import sys
from collections.abc import Mapping

from auteur.devstack.errors import StackError
from auteur.devstack.processes import BASE_DIR

COMMAND_SECONDS = 300.0


def manage(environment: Mapping[str, str], *arguments: str) -> str:
    """Return the output of a management command.

    Raise ``StackError`` with the last line of its error output, or after `COMMAND_SECONDS`.
    """
    try:
        result = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=BASE_DIR,
            env=environment,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as exc:
        raise StackError(
            f"manage.py {arguments[0]} did not end within {COMMAND_SECONDS:.0f} s."
        ) from exc
    if result.returncode:
        last_lines = result.stderr.strip().splitlines()[-1:] or ["no output"]
        raise StackError(f"manage.py {arguments[0]}: {last_lines[0]}")
    return result.stdout.strip()
