"""The processes that the suite hurts: ``python -m tests.chaos.supervise --var DIR``.

Those of `make run` but Flower and MongoDB, which no job of the suite needs. They reach PostgreSQL
and Redis, and RabbitMQ and Modal where there are any, through the suite's proxies, on the ports
that the environment names.
"""

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from auteur.devstack import child, environment, ports, processes, services
from auteur.devstack.cli import say, stop_on_signal
from auteur.devstack.errors import StackError
from auteur.devstack.process import Process
from auteur.devstack.stack import supervise_processes

POSTGRES_PROXY = "CHAOS_POSTGRES_PORT"
REDIS_PROXY = "CHAOS_REDIS_PORT"
RABBITMQ_PROXY = "CHAOS_RABBITMQ_PORT"
ORCHESTRATOR = (sys.executable, "-m", "tests.chaos.orchestrator")
MODAL_PEER = "CHAOS_MODAL_PORT"
MODAL_CONTROL = "CHAOS_MODAL_CONTROL_PORT"
CONTAINERS = 4
BACKOFF_SECONDS = 0.5


def plan(var: Path, environ: Mapping[str, str]) -> Sequence[Process]:
    """Stores and our processes, these with the proxies' addresses."""
    chosen = ports.read_ports(environ)
    values = environment.write_environment(var, chosen, environ.get("BROKER"))
    behind = proxied(values, chosen, environ)
    variables = environment.build_child_environment(values | behind, environ)
    has_modal = MODAL_PEER in environ
    without = {"flower", "worker-cpu"} if has_modal else {"flower"}
    ours = [
        process for process in processes.list_processes(variables) if process.name not in without
    ]
    return [
        *services.list_stores(var, chosen, values, without=["mongodb"]),
        *([modal_peer(variables)] if has_modal else []),
        *(_here(process, has_modal=has_modal) for process in ours),
    ]


def on_modal(*, proxy: int, peer: int, control: int) -> dict[str, str]:
    """The variables by which the peer runs and our processes reach it through the proxy."""
    return {
        MODAL_PEER: str(peer),
        MODAL_CONTROL: str(control),
        "INFERENCE_BACKEND": "modal",
        "MODAL_TOKEN_ID": "ak-chaos",
        "MODAL_TOKEN_SECRET": "as-chaos",
        "MODAL_SERVER_URL": f"http://{ports.HOST}:{proxy}",
    }


def modal_peer(variables: Mapping[str, str]) -> Process:
    """The stand-in for Modal, which really runs what it is asked for."""
    chosen = ("--port", variables[MODAL_PEER], "--control-port", variables[MODAL_CONTROL])
    how = ("--scenario", "run", "--processes", str(CONTAINERS))
    return Process(
        name="modal-peer",
        command=(sys.executable, "-m", "tests.modal_peer", *chosen, *how),
        uses=("api",),
        announcement="Modal peer at",
        environment=variables,
        directory=processes.BASE_DIR,
    )


def _here(process: Process, *, has_modal: bool) -> Process:
    uses = tuple(name for name in process.uses if name != "mongodb")
    if has_modal and process.name in {"orchestrator", "worker-steps"}:
        uses = (*uses, "modal-peer")
    command = ORCHESTRATOR if process.name == "orchestrator" else process.command
    return replace(process, uses=uses, command=command)


def proxied(
    values: Mapping[str, str], chosen: ports.Ports, environ: Mapping[str, str]
) -> dict[str, str]:
    """The URLs of the stores as our processes get them."""
    through = {
        "DATABASE_URL": (chosen.postgres, environ[POSTGRES_PROXY]),
        "REDIS_URL": (chosen.redis, environ[REDIS_PROXY]),
        "CELERY_BROKER_URL": (chosen.rabbitmq, environ[RABBITMQ_PROXY]),
    }
    return {
        name: values[name].replace(f":{port}/", f":{proxy}/")
        for name, (port, proxy) in through.items()
        if name in values
    }


def main() -> None:
    """Run until told to stop."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--var", type=Path, required=True)
    var = parser.parse_args().var
    # What dies here was killed, and has not failed: it comes back as fast the tenth time.
    child.LAST_BACKOFF_SECONDS = BACKOFF_SECONDS
    with supervise_processes(var, lambda: (plan(var, os.environ), {}), say) as supervisor:
        stop_on_signal(supervisor)
        if supervisor.start():
            supervisor.run()


if __name__ == "__main__":
    try:
        main()
    except StackError as exc:
        sys.exit(str(exc))
