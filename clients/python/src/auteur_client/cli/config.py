"""Who is signed in where, and what was not finished: files that only their owner can read."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import typer

from auteur_client.client import LIVE_URL, TOKEN, URL
from auteur_client.errors import NotSignedInError

LOGIN = "login.json"
UNFINISHED = "unfinished"
OWN_FILE, OWN_FOLDER = 0o600, 0o700


def folder() -> Path:
    """Where the command keeps what it must remember; `AUTEUR_CONFIG_DIR` sets it."""
    return Path(os.environ.get("AUTEUR_CONFIG_DIR") or typer.get_app_dir("auteur"))


def write(path: Path, content: dict[str, Any]) -> None:
    """Write a file that nobody else can read, whole or not at all."""
    path.parent.mkdir(mode=OWN_FOLDER, parents=True, exist_ok=True)
    new = path.with_suffix(".new")
    new.unlink(missing_ok=True)
    handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWN_FILE)
    with os.fdopen(handle, "w") as file:
        json.dump(content, file)
    new.replace(path)


def read(path: Path) -> dict[str, Any]:
    """What a file holds; nothing where it is not there, or is not ours."""
    try:
        content = json.loads(path.read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def kept() -> dict[str, Any]:
    """What `auteur login` has kept."""
    return read(folder() / LOGIN)


def save_login(url: str, token: str, live_url: str | None) -> Path:
    """Keep a token for the commands to come; where."""
    path = folder() / LOGIN
    write(path, {"url": url, "token": token, "live_url": live_url})
    return path


def forget_login() -> bool:
    """Forget the token; whether there was one."""
    path = folder() / LOGIN
    there = path.exists()
    path.unlink(missing_ok=True)
    return there


def login(*, needs_token: bool = True) -> dict[str, Any]:
    """What makes the client: the environment's address and token, else what was kept."""
    known = kept()
    url = os.environ.get(URL) or known.get("url")
    if url != known.get("url"):  # a token goes to no other address
        known = {}
    token = os.environ.get(TOKEN) or known.get("token")
    if not url or (needs_token and not token):
        names = f"{URL} and {TOKEN}" if needs_token else URL
        detail = f"Run `auteur login`, or set {names}."
        raise NotSignedInError(401, {"code": "not_signed_in", "detail": detail})
    return {
        "url": url,
        "token": token,
        "live_url": os.environ.get(LIVE_URL) or known.get("live_url"),
    }


class Unfinished:
    """How far a command has come with a file, so that `--resume` goes on there."""

    def __init__(self, command: str, url: str, file: Path, project: str) -> None:
        state = file.stat()
        of = [command, url, str(file.resolve()), state.st_size, state.st_mtime_ns, project]
        name = hashlib.sha256(json.dumps(of).encode()).hexdigest()
        self._path = folder() / UNFINISHED / f"{name}.json"
        self.known: dict[str, str] = read(self._path)

    def note(self, **facts: str) -> None:
        """Remember ids."""
        self.known |= facts
        write(self._path, self.known)

    def forget(self, *facts: str) -> None:
        """Remember these no more; nothing at all where none are named."""
        self.known = {
            name: fact for name, fact in self.known.items() if facts and name not in facts
        }
        if self.known:
            write(self._path, self.known)
        else:
            self._path.unlink(missing_ok=True)
