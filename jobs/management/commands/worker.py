"""Provide `manage.py worker steps|cpu|media|gpu`: run a Celery worker for one role's queues."""

import subprocess
import sys
from typing import Any

from celery import current_app
from celery.signals import worker_process_init
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from gpu_tasks.runtime.confinement import MIB
from gpu_tasks.runtime.contract import GpuClass
from gpu_tasks.runtime.memory_budget import share_budget
from jobs import heartbeat
from jobs.publishing import cpu_queues, media_queues, step_queues

TRY_DEVICE = "import sys, torch; torch.zeros(1, device=sys.argv[1])"
GPU_CLASSES = {gpu.value.lower(): gpu for gpu in GpuClass if gpu != GpuClass.CPU}


class Command(BaseCommand):
    help = (
        "Run a worker: `steps` for the short steps of all features, `cpu` for CPU engines, "
        "`media` for checks and pictures of uploads, imports, and exports of accounts, "
        "`gpu` for the engines of one GPU class, on a machine that has such a GPU."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("role", choices=["steps", "cpu", "media", "gpu"])
        parser.add_argument(
            "--class",
            dest="gpu_class",
            choices=list(GPU_CLASSES),
            help="the GPU class, for the role `gpu` only",
        )
        parser.add_argument(
            "--concurrency", type=int, help="number of processes (default: 1 on a GPU)"
        )

    def handle(
        self,
        *args: Any,
        role: str,
        gpu_class: str | None,
        concurrency: int | None,
        **options: Any,
    ) -> None:
        if (role == "gpu") != (gpu_class is not None):
            raise CommandError("The role `gpu` requires --class, and other roles do not accept it.")
        if gpu_class:
            _check_device(settings.LOCAL_GPU_DEVICE)
        name = f"{role}-{gpu_class}" if gpu_class else role
        processes = concurrency or processes_of(role)
        command = ["worker", "--queues", ",".join(_list_queues(role, gpu_class))]
        command += ["--hostname", f"{name}@%h", "--concurrency", str(processes)]
        command += ["--loglevel", settings.LOG_LEVEL, "--without-gossip", "--without-mingle"]
        if role != "gpu":
            share_budget(
                settings.SANDBOX_MEMORY_MIB[role] * MIB,
                settings.FIRST_SANDBOX_MEMORY_MIB[role] * MIB,
            )
        if role == "steps":
            # Begin at the start, not at the first message: living workers share the messages.
            worker_process_init.connect(_begin_heartbeat, weak=False)
        else:
            command += _configure_late_delivery()
        current_app.worker_main(command)


def _begin_heartbeat(**signal: Any) -> None:
    heartbeat.current_worker()


def processes_of(role: str) -> int:
    """Return how many processes a worker of this role has by default."""
    # Imports wait for foreign servers and exports take hours, so they get processes of their own.
    extra = {
        "gpu": 1 - settings.WORKER_CONCURRENCY,
        "media": settings.IMPORT_LIMIT + settings.EXPORT_LIMIT,
    }
    return int(settings.WORKER_CONCURRENCY + extra.get(role, 0))


def _configure_late_delivery() -> list[str]:
    """Let a message wait in its queue, for all workers, until a process is free for it.

    RabbitMQ delivers one message per process more than were acknowledged, so they are acknowledged
    late.
    """
    if not settings.BROKER_IS_AMQP:
        return ["--disable-prefetch"]
    current_app.loader.import_default_modules()
    for task in current_app.tasks.values():
        task.acks_late = True
    return []


def _check_device(device: str) -> None:
    """Raise ``CommandError`` if the device cannot be used, because every call would fail."""
    # Check in another process: once used here, CUDA does not work in children forked later.
    if device != "cpu":
        result = subprocess.run(
            [sys.executable, "-c", TRY_DEVICE, device], capture_output=True, text=True, check=False
        )
        if result.returncode:
            [*_, reason] = result.stderr.strip().splitlines() or ["torch does not start"]
            raise CommandError(f"LOCAL_GPU_DEVICE is {device}, which cannot be used here: {reason}")


def _list_queues(role: str, gpu_class: str | None) -> list[str]:
    if gpu_class:
        return [GPU_CLASSES[gpu_class].queue]
    return {"steps": step_queues, "cpu": cpu_queues, "media": media_queues}[role]()
