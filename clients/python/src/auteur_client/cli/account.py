"""Provide the commands for signing in and out, and for credits."""

import os
import sys
from typing import Annotated, Any
from urllib.parse import urlsplit

import typer

from auteur_client.cli import config, exits
from auteur_client.cli.screen import Screen
from auteur_client.cli.session import AsJson, report_errors, signed_in
from auteur_client.client import LIVE_URL, TOKEN, URL, Auteur

MAX_ROWS = 100
OWN_MACHINE = {"127.0.0.1", "localhost", "::1"}


def register_commands(app: typer.Typer) -> None:
    """Register these commands."""
    app.command(epilog="Example: auteur login https://auteur.example.com < token.txt")(login)
    app.command(epilog="Example: auteur logout")(logout)
    app.command("credits", epilog="Example: auteur credits --history 10 --json")(show_credits)


def login(
    url: Annotated[str | None, typer.Argument(envvar=URL, help="The address of the API.")] = None,
    live_url: Annotated[
        str | None,
        typer.Option(envvar=LIVE_URL, help="The address of event streams, if it differs."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Store a token or an API key for later commands.

    It is typed without echo, or read from standard input. Not accepted as an
    argument: other users could see it in the process list.
    """
    url = (url or config.read_login().get("url") or "").rstrip("/")
    if urlsplit(url).scheme not in ("http", "https"):
        raise typer.BadParameter(
            "The address must begin with http:// or https://. Run: auteur login https://…"
        )
    with report_errors(as_json) as screen:
        if url.startswith("http://") and urlsplit(url).hostname not in OWN_MACHINE:
            screen.say("Warning: http:// sends the token unencrypted. Use https://.")
        token = read_token()
        with Auteur(url, token, live_url=live_url) as auteur:
            balance = auteur.balance()
        path = config.save_login(url, token, live_url)
        if os.environ.get(TOKEN):
            screen.say(f"{TOKEN} is set and takes precedence over the stored token.")
        text = f"Signed in at {url}: {balance} credits. The token is stored in {path}."
        screen.show({"url": url, "balance": balance}, text)


def read_token() -> str:
    """Read the token: typed without echo, or the first line of standard input."""
    if sys.stdin.isatty():
        token = typer.prompt("Token or API key", hide_input=True, err=True)
    else:
        token = sys.stdin.readline()
    token = str(token).strip()
    if not token or not token.isascii() or not token.isprintable():
        raise typer.BadParameter(
            "Standard input has no token. Pipe it in: auteur login URL < token.txt"
        )
    return token


def logout(as_json: AsJson = False) -> None:
    """Delete the token from this machine; it stays valid."""
    with report_errors(as_json) as screen:
        was_signed_in = config.forget_login()
        text = "Signed out." if was_signed_in else "Nobody was signed in."
        screen.show({"signed_out": was_signed_in}, text)
        if not was_signed_in:
            raise typer.Exit(exits.NOT_SIGNED_IN)


def show_credits(
    history: Annotated[
        int, typer.Option(min=0, max=MAX_ROWS, help="Also show this many of the last transactions.")
    ] = 0,
    as_json: AsJson = False,
) -> None:
    """Show the balance, when it expires, and what this API key may spend."""
    with signed_in(as_json) as (auteur, screen):
        account = auteur.request("GET", "/credits")
        if history:
            page = auteur.request("GET", "/credits/history", params={"limit": history})
            account["transactions"] = page["transactions"]
        screen.show(account, lambda: _print_credits(screen, account))


def _print_credits(screen: Screen, account: dict[str, Any]) -> None:
    screen.line(f"{account['balance']} credits")
    for grant in account["grants"]:
        if grant["expires_at"]:
            screen.line(f"  {grant['remaining']} of them expire at {grant['expires_at']}")
    if key := account["key"]:
        caps = {"in all": key["credits_in_all"], "a day": key["credits_per_day"]}
        limits = [f"{cap} {when}" for when, cap in caps.items() if cap is not None]
        screen.line(
            f"this key may spend {key['available']} now; its caps: {', '.join(limits) or '-'}"
        )
    if "transactions" in account:
        rows = [
            (row["created_at"], row["amount"], row["balance_after"], row["description"])
            for row in account["transactions"]
        ]
        screen.table(("at", "amount", "balance", "for"), rows)
