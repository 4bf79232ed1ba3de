"""`manage.py features`: what there is, at what price, and which engine does it."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from jobs.features.base import Feature
from jobs.features.registry import features


class Command(BaseCommand):
    help = "List the features with their tariffs, engines and limits, as they are set here."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="For programs.")

    def handle(self, *args: Any, **options: Any) -> None:
        shown = [described(feature) for feature in features().values()]
        if options["json"]:
            self.stdout.write(json.dumps(shown))
            return
        for one in shown:
            tariff = ", ".join(f"{name} {value}" for name, value in one["tariff"].items())
            self.stdout.write(
                f"{one['slug']:<22} {one['engine']} on {one['backend']}, {one['gpu_class']}, "
                f"{one['time_limit_seconds']} s; {tariff or 'free'}"
                f"{'; plan ' + one['plan'] if one['plan'] else ''}"
            )


def described(feature: Feature) -> dict[str, Any]:
    """A feature as plain values."""
    return {
        "slug": feature.slug,
        "summary": feature.summary,
        "plan": feature.plan,
        "tariff": dict(feature.tariff),
        "engine": feature.engine,
        "backend": feature.backend,
        "gpu_class": feature.gpu_class.value,
        "time_limit_seconds": feature.contract.time_limit_seconds,
        "example": dict(feature.example),
    }
