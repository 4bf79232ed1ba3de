"""Management commands, run as a person would run them."""

import subprocess
import sys
from collections.abc import Mapping

from auteur.devstack.errors import StackError
from auteur.devstack.processes import BASE_DIR

COMMAND_SECONDS = 300.0


def manage(environment: Mapping[str, str], *arguments: str) -> str:
    """Return what a management command prints.

    Raises ``StackError`` with the last line of its error output, or after `COMMAND_SECONDS`.
    """
    try:
        done = subprocess.run(
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
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or ["no output"]
        raise StackError(f"manage.py {arguments[0]}: {last[0]}")
    return done.stdout.strip()
