"""A stack small enough for tests of the supervisor: Redis and two sleepers, in a process to kill.

``python -m tests.devstack.tiny_stack VAR REDIS_PORT [BROKEN]``; BROKEN adds one that always fails.
"""

import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from auteur.devstack import services
from auteur.devstack.cli import say, stop_on_signal
from auteur.devstack.errors import StackError
from auteur.devstack.process import Process
from auteur.devstack.stack import supervised

# It leaves a child of its own, as a Celery worker does.
PARENT = (
    "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; time.sleep(600)'])"
)
DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
FAILING = "import sys; sys.exit('this one never works')"


def main(var: Path, port: int, *, broken: bool) -> None:
    def plan() -> tuple[Sequence[Process], Mapping[str, str]]:
        processes = [
            services.redis_server(var / "redis", port, "secret"),
            Process("parent", (sys.executable, "-c", PARENT), needs=("redis",)),
            Process("deaf", (sys.executable, "-c", DEAF), stop_signal=signal.SIGTERM),
        ]
        if broken:
            processes.append(Process("broken", (sys.executable, "-c", FAILING)))
        return processes, {"API": "http://127.0.0.1:1"}

    with supervised(var, plan, say) as supervisor:
        stop_on_signal(supervisor)
        if supervisor.start():
            say("up")
            supervisor.run()
        supervisor.stop(grace=0.5)


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]), int(sys.argv[2]), broken="BROKEN" in sys.argv)
    except StackError as exc:
        sys.exit(str(exc))
