"""A stack small enough for tests of the supervisor: Redis and a sleeper, in a process to kill.

``python -m tests.auteur.devstack.tiny_stack VAR REDIS_PORT [OPTION ...]``: BROKEN adds a process
that always fails, DEAF one that ignores SIGTERM, PATIENT waits for it longer than a test does.
"""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from auteur.devstack import services
from auteur.devstack.cli import say, stop_on_signal
from auteur.devstack.errors import StackError
from auteur.devstack.process import Process
from auteur.devstack.stack import supervise_processes

# It leaves a child of its own, as a Celery worker does.
PARENT = (
    "import subprocess, sys;"
    " child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']);"
    " print('has a child', flush=True); child.wait()"
)
DEAF = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    " print('deaf now', flush=True); time.sleep(600)"
)
FAILING = "import sys; sys.exit('this one never works')"


def main(var: Path, port: int, options: Sequence[str]) -> None:
    def plan() -> tuple[Sequence[Process], Mapping[str, str]]:
        processes = [
            services.build_redis(var / "redis", port, "secret"),
            Process(
                "parent",
                (sys.executable, "-c", PARENT),
                needs=("redis",),
                announcement="has a child",
            ),
        ]
        if "DEAF" in options:
            processes.append(Process("deaf", (sys.executable, "-c", DEAF), announcement="deaf now"))
        if "BROKEN" in options:
            processes.append(Process("broken", (sys.executable, "-c", FAILING)))
        return processes, {"API": "http://127.0.0.1:1"}

    with supervise_processes(var, plan, say) as supervisor:
        stop_on_signal(supervisor)
        if supervisor.start():
            say("up")
            supervisor.run()
        supervisor.stop(grace=60 if "PATIENT" in options else 0.5)


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
    except StackError as exc:
        sys.exit(str(exc))
