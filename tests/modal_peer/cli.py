"""The peer as a process: ``python -m tests.modal_peer --port 9123 --scenario run``.

Point the unmodified client at it by ``MODAL_SERVER_URL=http://127.0.0.1:9123`` and any token.
"""

import argparse
import signal
import threading

from tests.modal_peer.book import Book
from tests.modal_peer.scenario import Scenario, Script
from tests.modal_peer.serving import Peer


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.modal_peer", description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument(
        "--scenario",
        action="append",
        metavar="NAME[=SHARE]",
        default=[],
        help=f"of the calls; repeat for a mixture. {', '.join(Scenario)}",
    )
    parser.add_argument("--seconds", type=float, default=1.0, help="of slow and report")
    parser.add_argument("--processes", type=int, default=1, help="that run functions")
    parser.add_argument("--control-port", type=int, help="see tests.modal_peer.control")
    values = parser.parse_args()
    book = Book(script=Script.read(values.scenario), slow_seconds=values.seconds)
    peer = Peer(
        book, port=values.port, processes=values.processes, control_port=values.control_port
    )
    told_to_stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: told_to_stop.set())
    peer.start()
    print(f"Modal peer at {peer.url}", flush=True)  # noqa: T201
    told_to_stop.wait()
    peer.stop()
