"""A key for one session: what it may do, what it may spend, and how a client is told of it."""

import shutil
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from auteur_client.client import LIVE_URL, TOKEN, URL, Auteur

SCOPES = ("read", "media", "jobs")


def make(auteur: Auteur, *, name: str, credits: int, days: int) -> dict[str, Any]:
    """A new API key that spends at most ``credits`` in all; told once, as the API tells it."""
    body = {
        "name": name,
        "scopes": SCOPES,
        "credits_in_all": credits,
        "expires_at": (datetime.now(UTC) + timedelta(days=days)).isoformat(),
    }
    made: dict[str, Any] = auteur.request("POST", "/api-keys", json=body)
    return made


def configuration(
    auteur: Auteur, key: dict[str, Any], folder: Path | None = None
) -> dict[str, Any]:
    """Return the settings with which agents' programs start the server with this key.

    The command is absolute, so that it is the same one wherever the program starts it.
    """
    command = str(Path(shutil.which(sys.argv[0]) or sys.argv[0]).absolute())
    arguments = ["mcp", *(["--folder", str(folder.resolve())] if folder else [])]
    env = {URL: auteur.url, TOKEN: key["key"]}
    if auteur.http.live_url != auteur.url:
        env[LIVE_URL] = auteur.http.live_url
    return {"mcpServers": {"auteur": {"command": command, "args": arguments, "env": env}}}
