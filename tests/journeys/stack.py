"""The whole embedded stack in a folder and on ports of its own, for journeys to use and to hurt."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import psutil

from auteur.devstack import environment, ports, stack_state
from auteur.devstack.processes import BASE_DIR
from tests.waiting import until

START_SECONDS = 330.0
STOP_SECONDS = 60.0
COMMAND_SECONDS = 300.0


class JourneyStack:
    """A running stack: where it is, what it runs, and its management commands."""

    COMMAND: tuple[str, ...] = (sys.executable, "-m", "auteur.devstack", "run")

    def __init__(self, var: Path, settings: Mapping[str, str] | None = None) -> None:
        numbers = map(str, ports.find_free_ports(len(ports.DEFAULTS)))
        self.var = var
        self._environ = {
            **os.environ,
            **dict(zip(ports.DEFAULTS, numbers, strict=True)),
            **(settings or {}),
        }
        self._output = var.with_suffix(".out")
        with self._output.open("w") as output:
            self._supervisor = subprocess.Popen(
                [*self.COMMAND, "--var", str(var)],
                cwd=BASE_DIR,
                env=self._environ,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def wait_until_ready(self) -> None:
        """Return when every process is."""

        def ready() -> bool:
            assert self._supervisor.poll() is None, self._output.read_text()
            running = stack_state.read_state(self.var)
            return running is not None and running.ready

        until(ready, START_SECONDS)

    @property
    def env(self) -> dict[str, str]:
        """The variables that the stack's processes have."""
        return environment.build_child_environment(
            environment.read_environment(self.var / environment.FILE_NAME), self._environ
        )

    @property
    def api_url(self) -> str:
        """Where the API answers."""
        return self.env["PUBLIC_URL"]

    @property
    def flower_url(self) -> str:
        """Where Flower answers."""
        return f"http://{ports.HOST}:{self.env['FLOWER_PORT']}"

    def process(self, name: str) -> psutil.Process:
        """A process by its name in the table (``worker-cpu``, ``redis`` …), once it runs."""

        def find() -> psutil.Process | None:
            running = stack_state.read_state(self.var)
            pid, at = running.processes.get(name, (0, 0.0)) if running else (0, 0.0)
            if not pid or not psutil.pid_exists(pid) or stack_state.get_start_time(pid) != at:
                return None
            return psutil.Process(pid)

        results = until(find, START_SECONDS)
        assert results is not None
        return results

    def children(self, name: str) -> list[psutil.Process]:
        """What a process has started: the pool of a worker, the workers of the API."""
        return self.process(name).children(recursive=True)

    def log(self, name: str) -> str:
        """What a process has logged so far."""
        return (self.var / "log" / f"{name}.log").read_text(errors="replace")

    def manage(self, *arguments: str) -> str:
        """Run a management command against the stack; what it printed."""
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=BASE_DIR,
            env=self.env,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.strip()

    def stop(self) -> None:
        """Stop all in order, as Ctrl-C would."""
        if self._supervisor.poll() is None:
            self._supervisor.send_signal(signal.SIGINT)
        try:
            self._supervisor.wait(STOP_SECONDS)
        finally:
            self._supervisor.kill()
