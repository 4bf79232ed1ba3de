"""`manage.py build_help`: build the docs site, as `make docs` does."""

import logging
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError


class Command(BaseCommand):
    help = "Build the docs site that /help serves. This needs MkDocs, but no store."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--to",
            type=Path,
            default=settings.HELP_ROOT,
            help="the target folder (default: %(default)s)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            from auteur.help import building  # noqa: PLC0415  # MkDocs is not in the image
        except ModuleNotFoundError as exc:
            raise CommandError(
                f"{exc.name} is missing. Install requirements/demo.txt, which has it."
            ) from exc

        logging.getLogger("mkdocs").addHandler(logging.StreamHandler(self.stderr))
        try:
            building.build_site(options["to"])
        except building.BuildError as exc:
            raise CommandError(str(exc)) from exc
