"""Command line: `python -m auteur.devstack.mongod --host 127.0.0.1 --port N --dbpath DIR`."""

import argparse
import errno
import logging
import signal
import sys
import threading
from pathlib import Path

from .engine import Engine
from .journal import JournalError
from .server import Server
from .store import Store


def main() -> int:
    """Serve until SIGTERM or SIGINT; returns 0 after a clean stop, 1 when it cannot start."""
    options = _parse_arguments()
    logging.basicConfig(level=logging.INFO, format="mongod: %(levelname)s: %(message)s")
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    try:
        store = Store(options.dbpath)
    except (JournalError, OSError) as error:
        return _refuse(f"cannot open {options.dbpath}: {error}")
    try:
        server = Server(options.host, options.port, Engine(store=store))
    except OSError as error:
        taken = error.errno == errno.EADDRINUSE
        reason = "the port is already in use" if taken else str(error)
        return _refuse(f"cannot listen on {options.host}:{options.port}: {reason}")
    server.start()
    print(f"mongod: ready on {options.host}:{server.port}, data in {options.dbpath}", flush=True)
    stopping.wait()
    server.stop()
    return 0


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m auteur.devstack.mongod",
        description="A MongoDB server for development. It has no authentication: keep it on "
        "the loopback address.",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to bind")
    parser.add_argument("--port", type=int, default=27017, help="0 takes a free one")
    parser.add_argument("--dbpath", type=Path, required=True, help="folder of the data")
    return parser.parse_args()


def _refuse(reason: str) -> int:
    print(f"mongod: {reason}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
