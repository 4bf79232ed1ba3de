"""The server, as a command: a thread for each connection, one command of MongoDB's at a time."""

import argparse
import itertools
import logging
import signal
import socketserver
import sqlite3
import sys
import threading
from pathlib import Path
from typing import cast

from .commands import execute
from .store import Store
from .wire import ProtocolError, encode_reply, read_message

logger = logging.getLogger(__name__)


class Server(socketserver.ThreadingTCPServer):
    """Listens, and runs commands on the store."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], store: Store) -> None:
        self.store = store
        self.lock = threading.Lock()
        self.numbers = itertools.count(1)
        super().__init__(address, Connection)


class Connection(socketserver.StreamRequestHandler):
    """Answers one client's messages in order until it hangs up or breaks the protocol."""

    disable_nagle_algorithm = True

    def handle(self) -> None:
        server = cast("Server", self.server)
        try:
            while (message := read_message(self.rfile)) is not None:
                with server.lock:
                    reply = execute(server.store, message.body, legacy=message.is_query)
                if message.expects_reply:
                    number = next(server.numbers) & 0x7FFFFFFF
                    self.wfile.write(encode_reply(message, reply, number))
        except (ProtocolError, ConnectionError) as error:
            logger.warning("closing a connection: %s", error)


def main() -> int:
    """Serve until SIGTERM or SIGINT; returns 0 after a clean stop, 1 when it cannot start."""
    parser = argparse.ArgumentParser(prog="python -m auteur.devstack.mongod")
    parser.add_argument(
        "--bind_ip", default="127.0.0.1", help="loopback: nobody is asked who it is"
    )
    parser.add_argument("--port", type=int, default=27017, help="0 takes a free one")
    parser.add_argument("--dbpath", type=Path, required=True, help="folder of the data")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="mongod: %(levelname)s: %(message)s")
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    try:
        server = Server((options.bind_ip, options.port), Store(options.dbpath))
    except (sqlite3.Error, OSError) as error:
        place = f"{options.bind_ip}:{options.port} on {options.dbpath}"
        print(f"mongod: cannot serve {place}: {error}", file=sys.stderr)
        return 1
    threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True).start()
    address = f"{options.bind_ip}:{server.server_address[1]}"
    print(f"mongod: ready on {address}, data in {options.dbpath}", flush=True)
    stopping.wait()
    server.shutdown()
    server.server_close()
    server.lock.acquire()  # for good: whatever connections still ask for goes unanswered
    server.store.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
