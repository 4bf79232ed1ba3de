"""`manage.py features`: what there is, at what price, and which engine does it."""

import json
from argparse import ArgumentParser
from collections.abc import Iterator, Mapping
from typing import Any

from django.core.management.base import BaseCommand

from jobs.features.base import Feature, configured_rates
from jobs.features.registry import features


class Command(BaseCommand):
    help = (
        "List the features with their tariffs, engines and limits, as they are set here; beside "
        "what is set stands its default."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="For programs.")

    def handle(self, *args: Any, **options: Any) -> None:
        shown = [described(feature) for feature in features().values()]
        if options["json"]:
            self.stdout.write(json.dumps(shown))
            return
        for one in shown:
            self.stdout.write("; ".join(_parts(one)))
            for role, model in one["models"].items():
                if role in (default := one["defaults"].get("models", {})):
                    self.stdout.write(f"  {role} {model} (default {default[role]})")


def described(feature: Feature) -> dict[str, Any]:
    """A feature as plain values; under ``defaults``, what is declared of those that are set."""
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
        "defaults": _defaults(feature),
        "example": dict(feature.example),
    }


def _defaults(feature: Feature) -> dict[str, Any]:
    declared: dict[str, Any] = dict(feature.contract.defaults)
    if models := declared.get("models"):
        set_here = feature.contract.models
        declared["models"] = {r: model for r, model in models.items() if model != set_here[r]}
    if names := configured_rates(feature.name):
        declared["tariff"] = {name: feature.tariff.get(name, 0) for name in names}
    return declared


def _parts(one: Mapping[str, Any]) -> Iterator[str]:
    """Of a feature's line."""
    defaults = one["defaults"]
    gpu = one["gpu_class"] + (_default(defaults, "gpu") if one["engine"] == "production" else "")
    limit = f"{one['time_limit_seconds']} s{_default(defaults, 'time_limit_seconds')}"
    yield f"{one['slug']:<22} {one['engine']} on {one['backend']}, {gpu}, {limit}"
    declared = defaults.get("tariff", {})
    yield ", ".join(f"{n} {v}{_default(declared, n)}" for n, v in one["tariff"].items()) or "free"
    if one["at_once"]:
        yield f"{one['at_once']} at once{_default(defaults, 'at_once')}"
    if one["plan"]:
        yield f"plan {one['plan']}"
    if not one["enabled"]:
        yield "switched off"


def _default(declared: Mapping[str, Any], name: str) -> str:
    return f" (default {declared[name] or 'none'})" if name in declared else ""
