"""Provide the commands that list jobs, media files and API keys, and cancel or retry jobs."""

from typing import Annotated

import typer

from auteur_client.cli.ids import MAX_ROWS, complete_id
from auteur_client.cli.session import AsJson, signed_in

Limit = Annotated[int, typer.Option(min=1, max=MAX_ROWS, help="The most rows to list.")]
JobId = Annotated[
    str, typer.Argument(metavar="JOB", help="The id of a job, or the beginning of it.")
]


def register_commands(app: typer.Typer) -> None:
    """Register these commands."""
    app.command(epilog="Example: auteur jobs --status failed")(jobs)
    app.command(epilog="Example: auteur cancel 77aa")(cancel)
    app.command(epilog="Example: auteur retry 77aa")(retry)
    app.command(epilog="Example: auteur media --limit 5")(media)
    app.command(epilog="Example: auteur keys --json")(keys)


def jobs(
    status: Annotated[
        str | None, typer.Option(help="Such as processing, completed or failed.")
    ] = None,
    limit: Limit = 20,
    as_json: AsJson = False,
) -> None:
    """List jobs, the newest first."""
    with signed_in(as_json) as (auteur, screen):
        query = {"limit": limit, **({"status": status} if status else {})}
        rows = auteur.request("GET", "/jobs", params=query)["jobs"]
        cells = [
            (r["id"], r["type"], r["status"], r["credits_cost"], r["created_at"]) for r in rows
        ]
        columns = ("id", "feature", "status", "credits", "created")
        screen.show(rows, lambda: screen.table(columns, cells))


def cancel(job: JobId, as_json: AsJson = False) -> None:
    """Cancel a job."""
    with signed_in(as_json) as (auteur, screen):
        cancelled = auteur.cancel(complete_id(auteur, "jobs", job)).to_dict()
        refund = ", refunded" if cancelled["credits_refunded"] else ""
        screen.show(cancelled, f"Job {cancelled['id']} is {cancelled['status']}{refund}.")


def retry(job: JobId, as_json: AsJson = False) -> None:
    """Submit a failed job again; prints the new job."""
    with signed_in(as_json) as (auteur, screen):
        job_id = complete_id(auteur, "jobs", job)
        submitted = auteur.request("POST", f"/jobs/{job_id}/retry")
        screen.show(submitted, f"Job {submitted['job_id']}, {submitted['credits_cost']} credits")


def media(limit: Limit = 20, as_json: AsJson = False) -> None:
    """List media files, the newest first."""
    with signed_in(as_json) as (auteur, screen):
        rows = auteur.request("GET", "/media", params={"limit": limit})["media"]
        cells = [(r["id"], r["type"], r["status"], r["file_size_bytes"], r["name"]) for r in rows]
        columns = ("id", "type", "status", "bytes", "name")
        screen.show(rows, lambda: screen.table(columns, cells))


def keys(limit: Limit = 20, as_json: AsJson = False) -> None:
    """List API keys."""
    with signed_in(as_json) as (auteur, screen):
        rows = auteur.request("GET", "/api-keys", params={"limit": limit})["api_keys"]
        cells = [
            (r["id"], r["prefix"], r["name"], r["credits_spent"], r["expires_at"], r["revoked_at"])
            for r in rows
        ]
        columns = ("id", "prefix", "name", "spent", "expires", "revoked")
        screen.show(rows, lambda: screen.table(columns, cells))
