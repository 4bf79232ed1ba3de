"""Registers the app with Django."""

from django.apps import AppConfig


class MediaConfig(AppConfig):
    """The `media` app."""

    name = "media"
