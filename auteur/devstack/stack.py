"""The embedded stack as a whole: data folder, addresses, stores, our processes."""

import contextlib
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from auteur.devstack import environment, leftovers, ports, processes, services
from auteur.devstack.leftovers import Running
from auteur.devstack.process import Process
from auteur.devstack.supervisor import Report, Supervisor

VAR = processes.BASE_DIR / "var"
STAFF_EMAIL = "admin@example.com"
PRIVATE_FOLDERS = ("log", "objects")

Plan = Callable[[], tuple[Sequence[Process], Mapping[str, str]]]


@contextlib.contextmanager
def stack(var: Path, environ: Mapping[str, str], report: Report) -> Iterator[Supervisor]:
    """All processes on the data under ``var``, prepared, not yet started; ended on the way out.

    Ports come from ``environ`` (see `ports`).
    """

    def plan() -> tuple[Sequence[Process], Mapping[str, str]]:
        chosen = ports.read(environ)
        ports.check_free(chosen)
        values = environment.prepare(var, chosen, environ.get("BROKER"))
        stores = services.stores(var, chosen, values, throwaway=False)
        ours = environment.of_children(values, environ)
        return [*stores, *processes.to_run(ours), _staff(var, ours)], _addresses(chosen)

    with supervised(var, plan, report) as supervisor:
        yield supervisor


@contextlib.contextmanager
def supervised(var: Path, plan: Plan, report: Report) -> Iterator[Supervisor]:
    """The processes that ``plan`` lists, under the lock of ``var``, ended on the way out.

    The plan is made once the lock is held and leftovers of a killed run are gone. It names the
    processes and the addresses to tell.
    """
    make_folders(var)
    with leftovers.acquire(var):
        for name in leftovers.end_leftovers(var):
            report(f"{name} was left over from a killed run and is ended")
        planned, addresses = plan()
        running = Running(os.getpid(), addresses=dict(addresses))

        def note() -> None:
            _note(var, running, supervisor)

        supervisor = Supervisor(planned, var / "log", report, on_change=note)
        note()
        try:
            yield supervisor
        finally:
            supervisor.stop()
            leftovers.clear(var)


def make_folders(var: Path) -> None:
    """The data folder: others of this machine may pass through it at most."""
    var.mkdir(mode=0o711, parents=True, exist_ok=True)
    for name in PRIVATE_FOLDERS:
        (var / name).mkdir(mode=0o700, exist_ok=True)


def _note(var: Path, running: Running, supervisor: Supervisor) -> None:
    """Say what runs, so that another command can use it and the next one can clean up."""
    known = running.processes
    running.processes = {
        child.name: _identity(child.pid, known.get(child.name))
        for child in supervisor.children
        if child.pid
    }
    running.ready = all(child.is_up for child in supervisor.children)
    leftovers.write(var, running)


def _identity(pid: int, known: tuple[int, float] | None) -> tuple[int, float]:
    return known if known and known[0] == pid else (pid, leftovers.started_at(pid))


def _staff(var: Path, values: Mapping[str, str]) -> Process:
    """Makes the staff account, or leaves it as it is."""
    return Process(
        name="staff",
        command=(sys.executable, "manage.py", "create_staff", "--email", STAFF_EMAIL),
        needs=("migrate",),
        once=True,
        environment={**values, "STAFF_PASSWORD": environment.staff_password(var)},
        directory=processes.BASE_DIR,
    )


def _addresses(chosen: ports.Ports) -> dict[str, str]:
    api = f"http://{ports.HOST}:{chosen.api}"
    return {
        "Studio": f"{api}/studio",
        "API": api,
        "API docs": f"{api}/docs",
        "Help": f"{api}/help/",
        "Events": f"http://{ports.HOST}:{chosen.live}/events",
        "Admin": f"{api}/admin/",
        "Flower": f"http://{ports.HOST}:{chosen.flower}",
    }
