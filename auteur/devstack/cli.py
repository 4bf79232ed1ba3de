"""`python -m auteur.devstack run|demo|check|schema`, as `make` calls it."""

import argparse
import os
import signal
import sys
from pathlib import Path

from auteur.devstack import (
    check,
    contract,
    demo,
    demo_features,
    docs,
    environment,
    examples,
    naming,
    stack_state,
)
from auteur.devstack.errors import StackError
from auteur.devstack.stack import STAFF_EMAIL, VAR, prepare_stack
from auteur.devstack.supervisor import Supervisor

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main(arguments: list[str] | None = None) -> int:
    """Run one command. Return its exit status."""
    options = _build_parser().parse_args(arguments)
    try:
        return int(options.command(options))
    except StackError as exc:
        print(exc, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 128 + signal.SIGINT


def _build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m auteur.devstack", description=__doc__)
    commands = parser.add_subparsers(required=True)
    run = commands.add_parser("run", help="start the whole stack and keep it running")
    run.set_defaults(command=_run_stack)
    checks = commands.add_parser(
        "check", help="check settings, migrations and OpenAPI with a real database"
    )
    checks.set_defaults(command=lambda options: check.run_checks())
    schema = commands.add_parser("schema", help="write docs/openapi.json from the code")
    schema.add_argument("--check", action="store_true", help="only compare the file with the code")
    schema.set_defaults(
        command=lambda options: (
            contract.check_contract() if options.check else contract.write_contract()
        )
    )
    names = commands.add_parser("names", help="check that names say what they hold")
    names.set_defaults(command=lambda options: naming.check_names())
    show = commands.add_parser("demo", help="run the main job on a recording, then stop")
    show.add_argument("--feature", help="run this feature instead, or `all` of them")
    show.add_argument(
        "--file",
        type=Path,
        action="append",
        default=[],
        help="a file of your own; repeat the option for others",
    )
    show.set_defaults(command=_run_demo)
    site = commands.add_parser("docs", help="build the docs site, which /help serves")
    site.add_argument("--check", action="store_true", help="only check that it can be built")
    site.set_defaults(
        command=lambda options: docs.check_docs() if options.check else docs.build_docs()
    )
    record = commands.add_parser("examples", help="run every feature once, and record it for /help")
    record.add_argument("--feature", default=demo_features.ALL, help="run only this feature")
    record.set_defaults(
        command=lambda options: examples.record_examples(options.var.resolve(), options.feature)
    )
    for command in (run, show, record):
        command.add_argument("--var", type=Path, default=VAR, help="the data folder (%(default)s)")
    return parser


def _run_demo(options: argparse.Namespace) -> int:
    return demo.run_demo(options.var.resolve(), options.file, options.feature)


def _run_stack(options: argparse.Namespace) -> int:
    with prepare_stack(
        options.var.resolve(), os.environ, lambda line: say(f"  {line}")
    ) as supervisor:
        say("Starting the stack; Ctrl-C stops it.")
        stop_on_signal(supervisor)
        if supervisor.start():
            print_addresses(options.var.resolve())
            supervisor.run()
        say("Stopping ...")
    say("Stopped.")
    return 0


def stop_on_signal(supervisor: Supervisor) -> None:
    """Let Ctrl-C, SIGTERM and a closed terminal stop the stack in order."""
    for number in STOP_SIGNALS:
        signal.signal(number, lambda *_: supervisor.request_stop())


def print_addresses(var: Path) -> None:
    """Print the addresses and commands of the running stack."""
    running = stack_state.read_state(var)
    lines = list(running.addresses.items()) if running else []
    lines += [
        ("Staff account", f"{STAFF_EMAIL}, password {environment.get_staff_password(var)}"),
        ("Logs", str(var / "log")),
        ("A token", ".venv/bin/python manage.py issue_token --email you@example.com"),
        (
            "Credits",
            ".venv/bin/python manage.py grant_credits --email you@example.com --amount 100",
        ),
        ("Streams", ".venv/bin/python manage.py streams tail"),
    ]
    say(f"\n{demo.READY_LINE}")
    for name, value in lines:
        say(f"  {name:<14} {value}")


def say(line: str) -> None:
    """Print a line at once, also into a pipe."""
    print(line, flush=True)
