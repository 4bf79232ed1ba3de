"""Registers the shared API parts with Django."""

from django.apps import AppConfig


class ApiConfig(AppConfig):
    """What all endpoints share."""

    name = "auteur.api"
    label = "api"
