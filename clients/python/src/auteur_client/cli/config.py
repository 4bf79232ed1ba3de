"""Store the login and unfinished work in files that only their owner can read."""

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
    """Return the folder of these files; `AUTEUR_CONFIG_DIR` sets it."""
    return Path(os.environ.get("AUTEUR_CONFIG_DIR") or typer.get_app_dir("auteur"))


def write(path: Path, content: dict[str, Any]) -> None:
    """Write a JSON file atomically, readable by its owner only."""
    path.parent.mkdir(mode=OWN_FOLDER, parents=True, exist_ok=True)
    new = path.with_suffix(".new")
    new.unlink(missing_ok=True)
    handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWN_FILE)
    with os.fdopen(handle, "w") as file:
        json.dump(content, file)
    new.replace(path)


def read(path: Path) -> dict[str, Any]:
    """Return the content of a JSON file; nothing if it is missing or damaged."""
    try:
        content = json.loads(path.read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def read_login() -> dict[str, Any]:
    """Return the login that `auteur login` has stored."""
    return read(folder() / LOGIN)


def save_login(url: str, token: str, live_url: str | None) -> Path:
    """Store a token for later commands; return the path of its file."""
    path = folder() / LOGIN
    write(path, {"url": url, "token": token, "live_url": live_url})
    return path


def forget_login() -> bool:
    """Delete the token; return True if there was one."""
    path = folder() / LOGIN
    existed = path.exists()
    path.unlink(missing_ok=True)
    return existed


def login(*, needs_token: bool = True) -> dict[str, Any]:
    """Return the arguments of the client: from the environment, or else the stored login."""
    stored = read_login()
    url = os.environ.get(URL) or stored.get("url")
    if url != stored.get("url"):  # a token is sent only to the address of its login
        stored = {}
    token = os.environ.get(TOKEN) or stored.get("token")
    if not url or (needs_token and not token):
        names = f"{URL} and {TOKEN}" if needs_token else URL
        detail = f"You are not signed in. Run `auteur login`, or set {names}."
        raise NotSignedInError(401, {"code": "not_signed_in", "detail": detail})
    return {
        "url": url,
        "token": token,
        "live_url": os.environ.get(LIVE_URL) or stored.get("live_url"),
    }


class UnfinishedWork:
    """The progress of a command with a file, from which `--resume` continues."""

    def __init__(self, command: str, url: str, file: Path, project: str) -> None:
        state = file.stat()
        identity = [command, url, str(file.resolve()), state.st_size, state.st_mtime_ns, project]
        name = hashlib.sha256(json.dumps(identity).encode()).hexdigest()
        self._path = folder() / UNFINISHED / f"{name}.json"
        self.ids: dict[str, str] = read(self._path)

    def note(self, **ids: str) -> None:
        """Store ids by name."""
        self.ids |= ids
        write(self._path, self.ids)

    def forget(self, *names: str) -> None:
        """Delete these ids, or all if no name is given."""
        self.ids = {name: value for name, value in self.ids.items() if names and name not in names}
        if self.ids:
            write(self._path, self.ids)
        else:
            self._path.unlink(missing_ok=True)
