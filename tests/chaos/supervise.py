"""The processes that the suite hurts: ``python -m tests.chaos.supervise --var DIR``.

Those of `make run` but Flower and MongoDB, which no job of the suite needs. They reach PostgreSQL
and Redis through the suite's proxies, on the ports that the environment names.
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
from auteur.devstack.stack import supervised

POSTGRES_PROXY = "CHAOS_POSTGRES_PORT"
REDIS_PROXY = "CHAOS_REDIS_PORT"
ORCHESTRATOR = (sys.executable, "-m", "tests.chaos.orchestrator")
BACKOFF_SECONDS = 0.5


def plan(var: Path, environ: Mapping[str, str]) -> Sequence[Process]:
    """Stores and our processes, these with the proxies' addresses."""
    chosen = ports.read(environ)
    values = environment.prepare(var, chosen)
    behind = proxied(values, chosen, environ)
    ours = processes.to_run(environment.of_children(values | behind, environ))
    return [
        *services.stores(var, chosen, values, without=["mongodb"]),
        *(_here(process) for process in ours if process.name != "flower"),
    ]


def _here(process: Process) -> Process:
    uses = tuple(name for name in process.uses if name != "mongodb")
    command = ORCHESTRATOR if process.name == "orchestrator" else process.command
    return replace(process, uses=uses, command=command)


def proxied(
    values: Mapping[str, str], chosen: ports.Ports, environ: Mapping[str, str]
) -> dict[str, str]:
    """The URLs of the stores as our processes get them."""
    through = {
        "DATABASE_URL": (chosen.postgres, environ[POSTGRES_PROXY]),
        "REDIS_URL": (chosen.redis, environ[REDIS_PROXY]),
    }
    return {
        name: values[name].replace(f":{port}/", f":{proxy}/")
        for name, (port, proxy) in through.items()
    }


def main() -> None:
    """Run until told to stop."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--var", type=Path, required=True)
    var = parser.parse_args().var
    # What dies here was killed, and has not failed: it comes back as fast the tenth time.
    child.LAST_BACKOFF_SECONDS = BACKOFF_SECONDS
    with supervised(var, lambda: (plan(var, os.environ), {}), say) as supervisor:
        stop_on_signal(supervisor)
        if supervisor.start():
            supervisor.run()


if __name__ == "__main__":
    try:
        main()
    except StackError as exc:
        sys.exit(str(exc))
