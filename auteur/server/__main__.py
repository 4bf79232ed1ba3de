"""`python -m auteur.server auteur.wsgi:application`: the API, and the figures at their own port."""

import argparse
import importlib
from typing import Any

from django.apps import apps

Address = tuple[str, int]


def main() -> None:
    """Serve until told to stop."""
    options = _options()
    at_ports = {}
    application = _named(options.application)  # this sets Django up, before what needs it
    if options.metrics:
        at_ports[options.metrics] = _named("auteur.metrics:application")
    if apps.is_installed("jobs"):  # a bare application has none to count
        importlib.import_module("jobs.streams.usage").flush_regularly()
    importlib.import_module("auteur.server.serving").serve(application, options.bind, at_ports)


def _named(name: str) -> Any:
    module, _, attribute = name.partition(":")
    return getattr(importlib.import_module(module), attribute)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m auteur.server", description=__doc__)
    parser.add_argument("application", help="a WSGI application, as module:name")
    parser.add_argument("--bind", type=_address, required=True, help="HOST:PORT of the API")
    parser.add_argument("--metrics", type=_address, help="HOST:PORT of `/metrics`, another one")
    return parser.parse_args()


def _address(text: str) -> Address:
    host, _, port = text.rpartition(":")
    return host, int(port)


if __name__ == "__main__":
    main()
