"""Start processes in order, restart those that die, stop all in reverse order.

It is single-threaded, because the kernel ends a child when the thread that started it is gone.
"""

import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from auteur.devstack.child import Child, State, read_last_lines
from auteur.devstack.errors import StackError
from auteur.devstack.process import Process

TICK_SECONDS = 0.05
START_SECONDS = 300.0  # For all together; a process that ends is reported long before.
FAILURES_AT_START = 3
STOP_GRACE_SECONDS = 10.0  # For each process, from the signal to stop.

Report = Callable[[str], None]


class Supervisor:
    """A supervisor that keeps ``processes`` running. ``report`` gets one line for each event."""

    def __init__(
        self,
        processes: Sequence[Process],
        logs: Path,
        report: Report,
        on_change: Callable[[], None] = lambda: None,
    ) -> None:
        self.children = [Child(process, logs / f"{process.name}.log") for process in processes]
        self._dependencies = list_dependencies(processes)
        self.stop_requests = 0
        self._report = report
        self._on_change = on_change
        self._starting = True

    def request_stop(self) -> None:
        """Request a stop; a second request stops at once. Safe in signal handlers."""
        self.stop_requests += 1

    def start(self, seconds: float = START_SECONDS) -> bool:
        """Start all processes. Return True when all are ready, False if a stop is requested before.

        Raise `StackError` if one ends again and again, or is not ready in time.
        """
        deadline = time.monotonic() + seconds
        while not all(child.is_up for child in self.children):
            if self.stop_requests:
                return False
            if time.monotonic() > deadline:
                self._raise_timeout(seconds)
            self.tick()
            time.sleep(TICK_SECONDS)
        self._starting = False
        return True

    def run(self) -> None:
        while not self.stop_requests:
            self.tick()
            time.sleep(TICK_SECONDS)

    def tick(self) -> None:
        for child in self.children:
            if child.state is State.WAITING:
                self._start_if_due(child)
            elif child.pid:
                self._check_child(child)

    def _start_if_due(self, child: Child) -> None:
        if time.monotonic() < child.not_before or not self._has_needs(child):
            return
        try:
            child.start()
        except OSError as exc:
            command = child.process.command[0]
            raise StackError(f"{child.name}: {command} does not start: {exc.strerror}.") from exc
        self._on_change()

    def _has_needs(self, child: Child) -> bool:
        return all(other.is_up for other in self.children if other.name in child.process.needs)

    def _check_child(self, child: Child) -> None:
        status = child.exit_status()
        if status is not None:
            self._handle_exit(child, status)
        elif child.state is State.STARTING and child.has_answered():
            self._mark_up(child, State.READY)

    def _mark_up(self, child: Child, state: State) -> None:
        child.state = state
        self._report(f"{child.name} is {'done' if state is State.DONE else 'ready'}")
        self._on_change()

    def _handle_exit(self, child: Child, status: int) -> None:
        if child.process.once and status == 0:
            self._mark_up(child, State.DONE)
            return
        description = (
            f"was ended by {signal.Signals(-status).name}" if status < 0 else f"ended ({status})"
        )
        delay = child.back_off()
        if self._starting and (child.process.once or child.failures >= FAILURES_AT_START):
            raise StackError(
                f"{child.name} {description}. Its log, {child.log}, ends:\n"
                f"{read_last_lines(child.log)}"
            )
        self._report(f"{child.name} {description}, starts again in {delay:g} s; see {child.log}")
        if child.failures == FAILURES_AT_START:
            self._report(f"{child.name} keeps failing. Its log ends:\n{read_last_lines(child.log)}")
        self._on_change()

    def _raise_timeout(self, seconds: float) -> None:
        unready = next(
            child for child in self.children if not child.is_up and self._has_needs(child)
        )
        raise StackError(
            f"{unready.name} is not ready after {seconds:g} s. "
            f"Its log, {unready.log}, ends:\n{read_last_lines(unready.log)}"
        )

    def stop(self, grace: float = STOP_GRACE_SECONDS) -> None:
        """Stop all, each after its users. Kill those that still run after ``grace`` seconds."""
        requests = self.stop_requests
        while living := [child for child in self.children if child.state is not State.STOPPED]:
            for child in living:
                self._advance_stop(child, living, grace, hurry=self.stop_requests > requests)
            time.sleep(TICK_SECONDS)
        self._on_change()

    def _advance_stop(
        self, child: Child, living: list[Child], grace: float, *, hurry: bool
    ) -> None:
        if child.exit_status() is not None or not child.pid:
            child.state = State.STOPPED
        elif hurry:
            child.kill()
        elif child.state is not State.STOPPING:
            if not any(child.name in self._dependencies[other.name] for other in living):
                child.ask_to_stop()
        elif time.monotonic() - child.stop_requested_at > grace and not child.is_killed:
            self._report(f"{child.name} did not stop in {grace:g} s and is killed")
            child.kill()


def list_dependencies(processes: Sequence[Process]) -> dict[str, frozenset[str]]:
    """Return, for each process, the names of all that it needs or uses, directly or not."""
    direct = {process.name: {*process.needs, *process.uses} for process in processes}

    def collect(name: str) -> frozenset[str]:
        return frozenset(direct[name]).union(*(collect(other) for other in direct[name]))

    return {name: collect(name) for name in direct}
