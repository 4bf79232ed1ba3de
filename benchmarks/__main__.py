"""`python -m benchmarks`: all of them, one after another."""

import importlib
import pkgutil

import benchmarks

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
    "editor",
    "listeners",
)


def main() -> None:
    for module in pkgutil.iter_modules(benchmarks.__path__):
        if module.name not in INFRASTRUCTURE and not module.ispkg:
            importlib.import_module(f"benchmarks.{module.name}").main()


if __name__ == "__main__":
    main()
