"""A key for one session: what it may do, what it may spend, and how a client is told of it."""

from datetime import UTC, datetime, timedelta
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


def configuration(auteur: Auteur, key: dict[str, Any]) -> dict[str, Any]:
    """What clients of the protocol want in their settings to start the server with this key."""
    env = {URL: auteur.url, TOKEN: key["key"]}
    if auteur.http.live_url != auteur.url:
        env[LIVE_URL] = auteur.http.live_url
    return {"mcpServers": {"auteur": {"command": "auteur", "args": ["mcp"], "env": env}}}
