"""What every command shares: its client, its screen, and how its errors are told."""

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

AsJson = Annotated[bool, typer.Option("--json", help="The result as JSON on standard output.")]
Force = Annotated[bool, typer.Option("--force", help="Write over files that are there.")]


@contextmanager
def told(as_json: bool) -> Iterator[Screen]:
    """The screen; what goes wrong is told on it, and becomes what the command exits with."""
    screen = Screen(as_json)
    try:
        yield screen
    except KeyboardInterrupt:
        screen.say(f"Interrupted. {screen.hint}".strip())
        raise typer.Exit(exits.INTERRUPTED) from None
    except AuteurError as exc:
        screen.fail(str(exc), document_of(exc))
        raise typer.Exit(exits.code_of(exc)) from None


@contextmanager
def signed_in(as_json: bool, *, needs_token: bool = True) -> Iterator[tuple[Auteur, Screen]]:
    """Yield a client with the token of the environment or of `auteur login`, and a screen."""
    with told(as_json) as screen, Auteur(**config.login(needs_token=needs_token)) as auteur:
        yield auteur, screen


def document_of(error: AuteurError) -> dict[str, Any]:
    """An error as JSON: the API's problem where it is one."""
    if isinstance(error, ProblemError):
        return {"status": error.status, "request_id": error.request_id, **error.document}
    if isinstance(error, JobFailedError):
        return {"code": error.code, "detail": str(error), "job": error.job.to_dict()}
    return {"code": "", "detail": str(error)}


def again_with(option: str) -> str:
    """This command with an option more, to be typed."""
    words = [word for word in sys.argv[1:] if word != option]
    return shlex.join(["auteur", *words, option])


def free(path: Path, force: bool) -> Path:
    """A path to write to; raises ``typer.BadParameter`` where a file would be lost."""
    if path.is_dir():
        raise typer.BadParameter(f"{path} is a folder.")
    if path.exists() and not force:
        raise typer.BadParameter(f"{path} already exists. Use --force to overwrite it.")
    return path


def read_json(file: Path) -> Any:
    """What a file, or standard input for `-`, holds; raises ``typer.BadParameter``."""
    try:
        return json.loads(sys.stdin.read() if str(file) == "-" else file.read_text())
    except OSError as exc:
        raise typer.BadParameter(f"{file}: {exc.strerror}.") from exc
    except ValueError as exc:
        raise typer.BadParameter(f"{file} is no JSON: {exc}.") from exc
