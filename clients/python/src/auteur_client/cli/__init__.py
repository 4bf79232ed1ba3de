"""The command `auteur`: uploads, jobs, results and edits from a shell."""

import sys


def main() -> None:
    """Run the command; exits with what it comes to (`auteur_client.cli.exits`)."""
    try:
        import rich  # noqa: F401, PLC0415
        import typer  # noqa: F401, PLC0415
    except ImportError:
        sys.exit("The command needs more: pip install 'auteur-client[cli]'")
    from auteur_client.cli.app import app  # noqa: PLC0415

    app(prog_name="auteur")
