"""Registers the app with Django."""

from django.apps import AppConfig


class ProjectsConfig(AppConfig):
    """The `projects` app."""

    name = "projects"
