"""The memory of each container that runs sandboxed children: its own processes and theirs."""

import re

import pytest
from django.conf import settings

from auteur.core.work.sandbox_queue import MAX_RUNNING, MAX_WAITING
from gpu_tasks.runtime.confinement import MIB
from gpu_tasks.runtime.memory_budget import compute_max_bytes
from jobs.management.commands.worker import processes_of
from media.imports.limits import PART_BYTES, TRANSFERS
from media.limits import READING_BACK
from projects.interchange import sandboxing
from projects.rendering import frames
from tests.deploy.files import interpolated, services

SHARED_MIB = 100
"""What the processes of a container have loaded together."""
OWN_MIB = {"api": 90, "worker-steps": 40, "worker-cpu": 40, "worker-media": 30}
"""What each process has of its own; of the API with requests in all its threads."""
ROLES = {"api": "api", "worker-steps": "steps", "worker-cpu": "cpu", "worker-media": "media"}


def container_mib(name: str) -> int:
    """Return the limit of a container's memory."""
    limit = re.fullmatch(r"(\d+)m", services()[name]["deploy"]["resources"]["limits"]["memory"])
    assert limit is not None
    return int(limit[1])


def processes(name: str) -> int:
    if name == "api":
        return int(interpolated(services()[name]["environment"]["API_PROCESSES"], {}))
    return processes_of(ROLES[name])


@pytest.mark.parametrize("name", ROLES)
def test_a_container_holds_its_processes_and_their_children(name: str) -> None:
    own = SHARED_MIB + processes(name) * OWN_MIB[name]
    buffers = 0
    if name == "worker-media":
        # A part that is stored is there twice for a moment, of one transfer in four at a time.
        buffers = settings.IMPORT_LIMIT * TRANSFERS * PART_BYTES * 5 // 4 // MIB
    needed = own + buffers + settings.DEFAULT_SANDBOX_MEMORY_MIB[ROLES[name]]
    assert needed <= container_mib(name)


@pytest.mark.parametrize("name", ROLES)
def test_a_child_of_each_process_begins_within_the_budget(name: str) -> None:
    role = ROLES[name]
    at_once = {"api": 2, "worker-media": 2}.get(name, settings.WORKER_CONCURRENCY)
    first = settings.FIRST_SANDBOX_MEMORY_MIB[role]
    assert at_once * first <= settings.DEFAULT_SANDBOX_MEMORY_MIB[role]


@pytest.mark.parametrize("limits", [sandboxing.LIMITS, frames.LIMITS, READING_BACK])
def test_one_child_of_each_kind_of_the_api_fits(limits: object) -> None:
    assert compute_max_bytes(limits) <= settings.DEFAULT_SANDBOX_MEMORY_MIB["api"] * MIB  # type: ignore[arg-type]


def test_an_import_never_grows_beyond_what_it_begins_with() -> None:
    first = settings.FIRST_SANDBOX_MEMORY_MIB["api"] * MIB
    assert compute_max_bytes(sandboxing.LIMITS) <= first
    assert settings.API_SERVER["threads"] > MAX_RUNNING + MAX_WAITING
