"""The embedded stack as a whole: data folder, addresses, stores, our processes."""

import contextlib
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from auteur.devstack import environment, ports, processes, services, stack_state
from auteur.devstack.process import Process
from auteur.devstack.stack_state import RunningStack
from auteur.devstack.supervisor import Report, Supervisor

VAR = processes.BASE_DIR / "var"
STAFF_EMAIL = "admin@example.com"
PRIVATE_FOLDERS = ("log", "objects")

Plan = Callable[[], tuple[Sequence[Process], Mapping[str, str]]]


@contextlib.contextmanager
def prepare_stack(var: Path, environ: Mapping[str, str], report: Report) -> Iterator[Supervisor]:
    """Yield the supervisor of all processes on the data under ``var``, prepared but not started.

    It stops them at the end. Ports come from ``environ`` (see `ports`).
    """

    def plan() -> tuple[Sequence[Process], Mapping[str, str]]:
        stack_ports = ports.read_ports(environ)
        ports.check_free(stack_ports)
        values = environment.write_environment(var, stack_ports, environ.get("BROKER"))
        stores = services.list_stores(var, stack_ports, values, throwaway=False)
        child_environment = environment.build_child_environment(values, environ)
        return [
            *stores,
            *processes.list_processes(child_environment),
            _build_staff_process(var, child_environment),
        ], _list_addresses(stack_ports)

    with supervise_processes(var, plan, report) as supervisor:
        yield supervisor


@contextlib.contextmanager
def supervise_processes(var: Path, plan: Plan, report: Report) -> Iterator[Supervisor]:
    """Yield the supervisor of the processes that ``plan`` lists, under the lock of ``var``.

    It stops them at the end. ``plan`` is called once the lock is held and leftovers of a killed run
    are gone. It returns the processes and the addresses to print.
    """
    create_folders(var)
    with stack_state.lock_folder(var):
        for name in stack_state.end_leftovers(var):
            report(f"{name} was still running after a killed run, and was stopped")
        planned_processes, addresses = plan()
        running = RunningStack(os.getpid(), addresses=dict(addresses))

        def write_state() -> None:
            _write_state(var, running, supervisor)

        supervisor = Supervisor(planned_processes, var / "log", report, on_change=write_state)
        write_state()
        try:
            yield supervisor
        finally:
            supervisor.stop()
            stack_state.delete_state(var)


def create_folders(var: Path) -> None:
    """Create the data folder. Other users of this machine may traverse it, and no more."""
    var.mkdir(mode=0o711, parents=True, exist_ok=True)
    for name in PRIVATE_FOLDERS:
        (var / name).mkdir(mode=0o700, exist_ok=True)


def _write_state(var: Path, running: RunningStack, supervisor: Supervisor) -> None:
    """Write what runs, so that another command can use it and the next one can clean up."""
    identities = running.processes
    running.processes = {
        child.name: _get_identity(child.pid, identities.get(child.name))
        for child in supervisor.children
        if child.pid
    }
    running.ready = all(child.is_up for child in supervisor.children)
    stack_state.write_state(var, running)


def _get_identity(pid: int, identity: tuple[int, float] | None) -> tuple[int, float]:
    return identity if identity and identity[0] == pid else (pid, stack_state.get_start_time(pid))


def _build_staff_process(var: Path, values: Mapping[str, str]) -> Process:
    """Return the process that creates the staff account, if there is none."""
    return Process(
        name="staff",
        command=(sys.executable, "manage.py", "create_staff", "--email", STAFF_EMAIL),
        needs=("migrate",),
        once=True,
        environment={**values, "STAFF_PASSWORD": environment.get_staff_password(var)},
        directory=processes.BASE_DIR,
    )


def _list_addresses(stack_ports: ports.Ports) -> dict[str, str]:
    api = f"http://{ports.HOST}:{stack_ports.api}"
    return {
        "Studio": f"{api}/studio",
        "API": api,
        "API docs": f"{api}/docs",
        "Help": f"{api}/help/",
        "Events": f"http://{ports.HOST}:{stack_ports.live}/events",
        "Admin": f"{api}/admin/",
        "Flower": f"http://{ports.HOST}:{stack_ports.flower}",
    }
