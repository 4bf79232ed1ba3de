"""Complete short ids: the beginning of an id names a recent job or media file."""

from typing import Literal

import typer

from auteur_client.client import Auteur

UUID_LENGTH = 36
MAX_ROWS = 100


def complete_id(auteur: Auteur, resource: Literal["jobs", "media"], prefix: str) -> str:
    """Return the id of the only recent row whose id begins with ``prefix``.

    A full id is returned as it is. Raises ``typer.BadParameter`` for none or several.
    """
    if len(prefix) >= UUID_LENGTH:
        return prefix
    rows = auteur.request("GET", f"/{resource}", params={"limit": MAX_ROWS})[resource]
    text = prefix.rstrip("…").lower()
    ids = [str(row["id"]) for row in rows if text and str(row["id"]).startswith(text)]
    if not ids:
        raise typer.BadParameter(f"No id of your last {MAX_ROWS} {resource} begins with {prefix}.")
    if len(ids) > 1:
        raise typer.BadParameter(f"{prefix} is ambiguous: {', '.join(ids[:5])}.")
    return ids[0]
