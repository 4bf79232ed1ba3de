"""Provide the command `auteur`: uploads, jobs, results and edits from a shell."""

import sys


def main() -> None:
    """Run the command; the exit codes are in `auteur_client.cli.exits`."""
    try:
        import rich  # noqa: F401, PLC0415
        import typer  # noqa: F401, PLC0415
    except ImportError:
        sys.exit("The command `auteur` needs more packages. Run: pip install 'auteur-client[cli]'")
    from auteur_client.cli.app import app  # noqa: PLC0415

    app(prog_name="auteur")
