"""Provide `manage.py features`: list the features with their prices and engines."""

import json
from argparse import ArgumentParser
from collections.abc import Iterator, Mapping
from typing import Any

from django.core.management.base import BaseCommand

from jobs.features.base import Feature, get_configured_rates
from jobs.features.registry import features


class Command(BaseCommand):
    help = (
        "List the features with their tariffs, engines and limits, as configured here. "
        "Configured values are followed by their defaults."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="For programs.")

    def handle(self, *args: Any, **options: Any) -> None:
        descriptions = [described(feature) for feature in features().values()]
        if options["json"]:
            self.stdout.write(json.dumps(descriptions))
            return
        for description in descriptions:
            self.stdout.write("; ".join(_iterate_parts(description)))
            for role, model in description["models"].items():
                if role in (default := description["defaults"].get("models", {})):
                    self.stdout.write(f"  {role} {model} (default {default[role]})")


def described(feature: Feature) -> dict[str, Any]:
    """Return a feature as plain values; ``defaults`` has the declared values of overridden ones."""
    return {
        "slug": feature.slug,
        "summary": feature.summary,
        "enabled": feature.is_enabled,
        "plan": feature.plan,
        "tariff": dict(feature.rates),
        "engine": feature.engine,
        "backend": feature.backend,
        "gpu_class": feature.gpu_class.value,
        "gpu": feature.contract.gpu.value,
        "time_limit_seconds": feature.contract.time_limit_seconds,
        "at_once": feature.at_once,
        "models": dict(feature.contract.models),
        "defaults": _build_defaults(feature),
        "example": dict(feature.example),
    }


def _build_defaults(feature: Feature) -> dict[str, Any]:
    defaults: dict[str, Any] = dict(feature.contract.defaults)
    if models := defaults.get("models"):
        models_in_use = feature.contract.models
        defaults["models"] = {
            role: model for role, model in models.items() if model != models_in_use[role]
        }
    if names := get_configured_rates(feature.name):
        defaults["tariff"] = {name: feature.tariff.get(name, 0) for name in names}
    return defaults


def _iterate_parts(row: Mapping[str, Any]) -> Iterator[str]:
    """Yield the parts of a feature's line."""
    defaults = row["defaults"]
    gpu = row["gpu_class"] + (
        _format_default(defaults, "gpu") if row["engine"] == "production" else ""
    )
    limit = f"{row['time_limit_seconds']} s{_format_default(defaults, 'time_limit_seconds')}"
    yield f"{row['slug']:<22} {row['engine']} on {row['backend']}, {gpu}, {limit}"
    tariff_defaults = defaults.get("tariff", {})
    yield (
        ", ".join(
            f"{name} {value}{_format_default(tariff_defaults, name)}"
            for name, value in row["tariff"].items()
        )
        or "free"
    )
    if row["at_once"]:
        yield f"{row['at_once']} at once{_format_default(defaults, 'at_once')}"
    if row["plan"]:
        yield f"plan {row['plan']}"
    if not row["enabled"]:
        yield "switched off"


def _format_default(defaults: Mapping[str, Any], name: str) -> str:
    return f" (default {defaults[name] or 'none'})" if name in defaults else ""
