"""`python -m auteur.live --bind HOST:PORT`: serve events as they happen."""

import argparse
import importlib
import os

import django


def main() -> None:
    """Serve until a signal stops the process."""
    parser = argparse.ArgumentParser(prog="python -m auteur.live", description=__doc__)
    parser.add_argument("--bind", required=True, help="HOST:PORT")
    host, _, port = parser.parse_args().bind.rpartition(":")
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "auteur.settings")
    django.setup()
    importlib.import_module("jobs.integrations.streams.usage").flush_regularly()
    importlib.import_module("auteur.live.serving").serve((host, int(port)))


if __name__ == "__main__":
    main()
