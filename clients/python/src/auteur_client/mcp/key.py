"""A key for one session: what it may do, what it may spend, and how a client is told of it."""

from datetime import UTC, datetime, timedelta

from auteur_client.client import Auteur
from auteur_client.mcp.access import Json

SCOPES = ("read", "media", "jobs")


def make(
    auteur: Auteur, *, name: str, credits: int, days: int, spends: bool = True
) -> Json:
    """A new API key that spends at most ``credits`` in all; told once, as the API tells it."""
    body = {
        "name": name,
        "scopes": list(SCOPES if spends else SCOPES[:2]),
        "credits_in_all": credits,
        "expires_at": (datetime.now(UTC) + timedelta(days=days)).isoformat(),
    }
    return dict(auteur.request("POST", "/api-keys", json=body))


def configuration(auteur: Auteur, key: Json) -> Json:
    """What clients of the protocol want in their settings to start the server with this key."""
    env = {"AUTEUR_URL": auteur.url, "AUTEUR_TOKEN": key["key"]}
    return {"mcpServers": {"auteur": {"command": "auteur", "args": ["mcp"], "env": env}}}
