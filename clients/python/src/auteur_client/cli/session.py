"""Provide what all commands share: client, screen, and the reporting of errors."""

import json
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from auteur_client.cli import config, exits
from auteur_client.cli.screen import Screen
from auteur_client.client import Auteur
from auteur_client.errors import AuteurError, JobFailedError, ProblemError

AsJson = Annotated[
    bool, typer.Option("--json", help="Print the result as JSON to standard output.")
]
Force = Annotated[bool, typer.Option("--force", help="Overwrite existing files.")]


@contextmanager
def report_errors(as_json: bool) -> Iterator[Screen]:
    """Provide a screen; print errors on it and exit with their code."""
    screen = Screen(as_json)
    try:
        yield screen
    except KeyboardInterrupt:
        screen.say(f"Interrupted. {screen.hint}".strip())
        raise typer.Exit(exits.INTERRUPTED) from None
    except AuteurError as exc:
        screen.fail(str(exc), build_error_document(exc))
        raise typer.Exit(exits.get_exit_code(exc)) from None


@contextmanager
def signed_in(as_json: bool, *, needs_token: bool = True) -> Iterator[tuple[Auteur, Screen]]:
    """Yield a client with the token of the environment or of `auteur login`, and a screen."""
    with (
        report_errors(as_json) as screen,
        Auteur(**config.login(needs_token=needs_token)) as auteur,
    ):
        yield auteur, screen


def build_error_document(error: AuteurError) -> dict[str, Any]:
    """Return an error as JSON: the API's problem document if it has one."""
    if isinstance(error, ProblemError):
        return {"status": error.status, "request_id": error.request_id, **error.document}
    if isinstance(error, JobFailedError):
        return {"code": error.code, "detail": str(error), "job": error.job.to_dict()}
    return {"code": "", "detail": str(error)}


def build_command_with(option: str) -> str:
    """Return the current command line with one more option."""
    words = [word for word in sys.argv[1:] if word != option]
    return shlex.join(["auteur", *words, option])


def check_target(path: Path, force: bool) -> Path:
    """Return the path; raise ``typer.BadParameter`` if writing would overwrite a file."""
    if path.is_dir():
        raise typer.BadParameter(f"{path} is a folder. Name a file.")
    if path.exists() and not force:
        raise typer.BadParameter(f"{path} already exists. Use --force to overwrite it.")
    return path


def read_json(file: Path) -> Any:
    """Return the JSON of a file, or of standard input for `-`; raise ``typer.BadParameter``."""
    try:
        return json.loads(sys.stdin.read() if str(file) == "-" else file.read_text())
    except OSError as exc:
        raise typer.BadParameter(f"{file}: {exc.strerror}.") from exc
    except ValueError as exc:
        raise typer.BadParameter(f"{file} is not valid JSON: {exc}.") from exc
