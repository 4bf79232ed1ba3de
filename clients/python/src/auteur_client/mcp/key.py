"""Create API keys for sessions of agents, and the settings that use them."""

import shutil
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from auteur_client.client import LIVE_URL, TOKEN, URL, Auteur

SCOPES = ("read", "media", "jobs")


def create(auteur: Auteur, *, name: str, credits: int, days: int) -> dict[str, Any]:
    """Create an API key with a spending cap; return the response, the only one with the key."""
    body = {
        "name": name,
        "scopes": SCOPES,
        "credits_in_all": credits,
        "expires_at": (datetime.now(UTC) + timedelta(days=days)).isoformat(),
    }
    response: dict[str, Any] = auteur.request("POST", "/api-keys", json=body)
    return response


def build_settings(
    auteur: Auteur, key: dict[str, Any], folder: Path | None = None
) -> dict[str, Any]:
    """Return the settings with which an agent's program starts the server with this key.

    The command is an absolute path, because the program may have another `PATH`.
    """
    command = str(Path(shutil.which(sys.argv[0]) or sys.argv[0]).absolute())
    arguments = ["mcp", *(["--folder", str(folder.resolve())] if folder else [])]
    env = {URL: auteur.url, TOKEN: key["key"]}
    if auteur.http.live_url != auteur.url:
        env[LIVE_URL] = auteur.http.live_url
    return {"mcpServers": {"auteur": {"command": command, "args": arguments, "env": env}}}
