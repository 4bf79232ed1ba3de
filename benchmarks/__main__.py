"""Run all benchmarks, or some, one after another: `python -m benchmarks [NAME ...] [--record]`.

With ``--record`` the figures are written into docs/benchmarks.json, for later comparisons.
"""

import argparse
import importlib
import os
import pkgutil

import benchmarks
from benchmarks import report

INFRASTRUCTURE = (
    "__main__",
    "report",
    "stack",
    "echo",
    "bare",
    "bare_edl",
    "guarded_edl",
    "textbook",
    "submitter",
    "grown",
    "hot_path",
    "request_buffers",
    "editor",
    "listeners",
    "clients",
    "guarded",
    "plain",
)


def names() -> list[str]:
    """Return the names of all benchmarks."""
    return [
        module.name
        for module in pkgutil.iter_modules(benchmarks.__path__)
        if module.name not in INFRASTRUCTURE and not module.ispkg
    ]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="the benchmarks to run (default: all)"
    )
    parser.add_argument("--record", action="store_true", help="write docs/benchmarks.json")
    options = parser.parse_args()
    if unknown := sorted(set(options.names) - set(names())):
        parser.error(f"there is no {', '.join(unknown)}: use {', '.join(names())}")
    if options.record:
        os.environ[report.RECORD] = "1"
    for name in options.names or names():
        importlib.import_module(f"benchmarks.{name}").main()


if __name__ == "__main__":
    main()
