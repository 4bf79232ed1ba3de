"""Registers the app with Django."""

from django.apps import AppConfig


class CreditsConfig(AppConfig):
    """The `credits` app."""

    name = "credits"
