"""Find all features by their modules, and return them by name."""

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

import jobs.features
from auteur.core.api.problems import Problem
from jobs.features.base import MAX_PRICE, PER_STARTED, Feature

INFRASTRUCTURE = ("base", "files", "parameters", "registry")


@cache
def features() -> Mapping[str, Feature]:
    """Return every declared feature: each module here that has a ``FEATURE``."""
    by_name = {}
    for module in pkgutil.iter_modules(jobs.features.__path__):
        if module.name not in INFRASTRUCTURE:
            feature = importlib.import_module(f"jobs.features.{module.name}").FEATURE
            by_name[feature.name] = feature
    return by_name


def get_feature(name: str) -> Feature:
    """Return the feature of a job's ``type``; raise ``KeyError`` if it is not declared."""
    return features()[name]


def list_feature_problems() -> tuple[type[Problem], ...]:
    """Return the errors that parameters of any feature can raise."""
    return tuple(problem for feature in features().values() for problem in feature.problems)


def list_stored_apart() -> dict[str, list[str]]:
    """List, by type, the names of the output's parts that are stored only in an object."""
    return {
        name: sorted(feature.stored_apart)
        for name, feature in features().items()
        if feature.stored_apart
    }


def check_prices() -> None:
    """Raise ``ImproperlyConfigured`` if `FEATURE_PRICES` sets a number that no price uses."""
    for name, value in settings.FEATURE_PRICES.items():
        feature, _, number = name.partition(".")
        names = [f"{feature}.{rate}" for rate in _list_rates(feature)] or sorted(features())
        if name not in names:
            raise ImproperlyConfigured(
                f"FEATURE_PRICES has the unknown number {name}: use {', '.join(names)}."
            )
        minimum = 1 if number.startswith(PER_STARTED) else 0
        if not minimum <= value <= MAX_PRICE:
            raise ImproperlyConfigured(
                f"FEATURE_PRICES sets {name} to {value}: use {minimum} to {MAX_PRICE}."
            )


def _list_rates(name: str) -> list[str]:
    feature = features().get(name)
    return sorted({"base", *feature.tariff}) if feature and feature.tariff else []
