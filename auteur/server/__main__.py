"""`python -m auteur.server auteur.wsgi:application`: serve the API, and metrics at another port."""

import argparse
import importlib
from typing import Any

from django.apps import apps

Address = tuple[str, int]


def main() -> None:
    """Serve until a signal stops the process."""
    options = _parse_options()
    # This sets Django up, which the other imports need.
    application = _import_attribute(options.application)
    metrics = None
    if options.metrics:
        metrics = options.metrics, _import_attribute("auteur.metrics:application")
    hooks = {}
    if apps.is_installed("jobs"):  # Another application has no usage to count.
        hooks["on_start"] = _import_attribute("jobs.integrations.streams.usage:flush_regularly")
    _import_attribute("auteur.server.serving:serve")(application, options.bind, metrics, **hooks)


def _import_attribute(name: str) -> Any:
    module, _, attribute = name.partition(":")
    return getattr(importlib.import_module(module), attribute)


def _parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m auteur.server", description=__doc__)
    parser.add_argument("application", help="a WSGI application, as module:name")
    parser.add_argument("--bind", type=_parse_address, required=True, help="HOST:PORT of the API")
    parser.add_argument("--metrics", type=_parse_address, help="HOST:PORT of `/metrics`")
    return parser.parse_args()


def _parse_address(text: str) -> Address:
    host, _, port = text.rpartition(":")
    return host, int(port)


if __name__ == "__main__":
    main()
