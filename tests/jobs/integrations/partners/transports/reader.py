"""A process that reads a topic: ``python -m tests.jobs.integrations.partners.transports.reader``.

Its first line of input says how. It prints the value of each message, and acknowledges it then.
"""

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from auteur.devstack.cli import say
from auteur.devstack.processes import BASE_DIR
from jobs.integrations.partners.transports import connect, kafka

SESSION_MS = 4000
"""More than the three seconds for which the mock cluster waits for a new group's members: it would
take them for dead meanwhile, and never answer them."""


class Reader:
    """A running one, and what it has printed."""

    def __init__(self, how: dict[str, object]) -> None:
        self.lines: list[str] = []
        self.process = subprocess.Popen(
            [sys.executable, "-m", __name__],
            cwd=BASE_DIR,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(how) + "\n")
        self.process.stdin.flush()
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.strip())

    def end(self, number: signal.Signals) -> None:
        """Send a signal, and wait for what was printed before it."""
        self.process.send_signal(number)
        self.process.wait()
        self._thread.join()


@contextmanager
def reading(**how: object) -> Iterator[Reader]:
    """Until the block ends."""
    reader = Reader(how)
    try:
        yield reader
    finally:
        reader.end(signal.SIGKILL)
        for pipe in (reader.process.stdin, reader.process.stdout):
            pipe.close()


def main() -> None:
    """Read until SIGTERM."""
    how = json.loads(sys.stdin.readline())
    acknowledges = how.pop("acknowledges")
    kafka.SESSION_MS = SESSION_MS
    transport = connect(how.pop("transport"), how.pop("connection"), **how)
    is_ending = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: is_ending.set())
    while not is_ending.is_set():
        for message in transport.receive(0.2, 1):
            say(message.value.decode())
            if not acknowledges:
                signal.pause()
            transport.acknowledge([message])
    transport.close()


if __name__ == "__main__":
    main()
