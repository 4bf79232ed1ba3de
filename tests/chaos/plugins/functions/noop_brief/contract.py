"""Wait, then succeed or fail, as `noop` does."""

from dataclasses import replace

from gpu_tasks.noop import contract as noop

CONTRACT = replace(noop.CONTRACT, name="noop_brief", time_limit_seconds=10)
