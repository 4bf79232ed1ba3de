"""`python -m auteur.server auteur.wsgi:application`: the API, and the figures at their own port."""

import argparse
import importlib
from typing import Any

from django.apps import apps

Address = tuple[str, int]


def main() -> None:
    """Serve until told to stop."""
    options = _options()
    application = _named(options.application)  # this sets Django up, before what needs it
    figures = None
    if options.metrics:
        figures = options.metrics, _named("auteur.metrics:application")
    told = {}
    if apps.is_installed("jobs"):  # a bare application has none to count
        told["begin"] = _named("jobs.integrations.streams.usage:flush_regularly")
    _named("auteur.server.serving:serve")(application, options.bind, figures, **told)


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
