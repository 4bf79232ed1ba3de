"""Who is signed in, and what they have."""

import os
import sys
from typing import Annotated, Any
from urllib.parse import urlsplit

import typer

from auteur_client.cli import config, exits
from auteur_client.cli.screen import Screen
from auteur_client.cli.session import AsJson, signed_in, told
from auteur_client.client import LIVE_URL, TOKEN, URL, Auteur

MAX_ROWS = 100
OWN_MACHINE = {"127.0.0.1", "localhost", "::1"}


def add_to(app: typer.Typer) -> None:
    """Have these commands."""
    app.command(epilog="Example: auteur login https://auteur.example.com < token.txt")(login)
    app.command(epilog="Example: auteur logout")(logout)
    app.command("credits", epilog="Example: auteur credits --history 10 --json")(show_credits)


def login(
    url: Annotated[str | None, typer.Argument(envvar=URL, help="Where the API is.")] = None,
    live_url: Annotated[
        str | None, typer.Option(envvar=LIVE_URL, help="Where events are streamed, if elsewhere.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Keep a token or an API key for the commands to come.

    It is asked for without being shown, or read from standard input. Not accepted as an
    argument: other users could see it in the process list.
    """
    url = (url or config.kept().get("url") or "").rstrip("/")
    if urlsplit(url).scheme not in ("http", "https"):
        raise typer.BadParameter("Say where: auteur login https://…")
    with told(as_json) as screen:
        if url.startswith("http://") and urlsplit(url).hostname not in OWN_MACHINE:
            screen.say("Warning: http:// shows the token to whoever listens on the way.")
        token = asked_token()
        with Auteur(url, token, live_url=live_url) as auteur:
            balance = auteur.balance()
        path = config.save_login(url, token, live_url)
        if os.environ.get(TOKEN):
            screen.say(f"{TOKEN} is set, and goes first.")
        said = f"Signed in at {url}: {balance} credits. The token is kept in {path}."
        screen.show({"url": url, "balance": balance}, said)


def asked_token() -> str:
    """Typed without echo, or the first line of standard input."""
    if sys.stdin.isatty():
        token = typer.prompt("Token or API key", hide_input=True, err=True)
    else:
        token = sys.stdin.readline()
    token = str(token).strip()
    if not token or not token.isascii() or not token.isprintable():
        raise typer.BadParameter("There is no token on standard input.")
    return token


def logout(as_json: AsJson = False) -> None:
    """Forget the token on this machine; it stays good elsewhere."""
    with told(as_json) as screen:
        forgotten = config.forget_login()
        said = "Signed out." if forgotten else "Nobody was signed in."
        screen.show({"signed_out": forgotten}, said)
        if not forgotten:
            raise typer.Exit(exits.NOT_SIGNED_IN)


def show_credits(
    history: Annotated[
        int, typer.Option(min=0, max=MAX_ROWS, help="So many of the last movements, too.")
    ] = 0,
    as_json: AsJson = False,
) -> None:
    """Show the balance, what of it expires, and what this API key may spend."""
    with signed_in(as_json) as (auteur, screen):
        found = auteur.request("GET", "/credits")
        if history:
            page = auteur.request("GET", "/credits/history", params={"limit": history})
            found["transactions"] = page["transactions"]
        screen.show(found, lambda: _print_credits(screen, found))


def _print_credits(screen: Screen, found: dict[str, Any]) -> None:
    screen.line(f"{found['balance']} credits")
    for grant in found["grants"]:
        if grant["expires_at"]:
            screen.line(f"  {grant['remaining']} of them until {grant['expires_at']}")
    if key := found["key"]:
        caps = {"in all": key["credits_in_all"], "a day": key["credits_per_day"]}
        said = [f"{cap} {when}" for when, cap in caps.items() if cap is not None]
        screen.line(
            f"this key may spend {key['available']} now; its caps: {', '.join(said) or '-'}"
        )
    if "transactions" in found:
        rows = [
            (row["created_at"], row["amount"], row["balance_after"], row["description"])
            for row in found["transactions"]
        ]
        screen.table(("at", "amount", "balance", "for"), rows)
