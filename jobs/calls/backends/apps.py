"""The Django app of the backends, for the table of local calls."""

from django.apps import AppConfig


class BackendsConfig(AppConfig):
    """The Django app that owns the tables of `gpu_tasks`."""

    name = "jobs.calls.backends"
    label = "gpu_tasks"
