"""Registers the backends with Django, for the local calls' table."""

from django.apps import AppConfig


class BackendsConfig(AppConfig):
    """The `gpu_tasks` tables."""

    name = "gpu_tasks.runtime.backends"
    label = "gpu_tasks"
