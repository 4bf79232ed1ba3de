"""All features by name, found by their modules."""

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

import jobs.features
from auteur.api.problems import Problem
from jobs.features.base import MAX_PRICE, STARTED, Feature

INFRASTRUCTURE = ("base", "files", "parameters", "registry")


@cache
def features() -> Mapping[str, Feature]:
    """Every declared feature: a module here that holds one as ``FEATURE``."""
    found = {}
    for module in pkgutil.iter_modules(jobs.features.__path__):
        if module.name not in INFRASTRUCTURE:
            feature = importlib.import_module(f"jobs.features.{module.name}").FEATURE
            found[feature.name] = feature
    return found


def get_feature(name: str) -> Feature:
    """The feature of a job's ``type``; raises ``KeyError`` for one no longer declared."""
    return features()[name]


def problems_of_features() -> tuple[type[Problem], ...]:
    """What parameters of any feature are refused with."""
    return tuple(problem for feature in features().values() for problem in feature.problems)


def list_stored_apart() -> dict[str, list[str]]:
    """By type, the names of what its jobs' outputs have in an object alone."""
    return {name: sorted(one.stored_apart) for name, one in features().items() if one.stored_apart}


def check_prices() -> None:
    """Raise ``ImproperlyConfigured`` where `FEATURE_PRICES` sets what no price is reckoned with."""
    for name, value in settings.FEATURE_PRICES.items():
        feature, _, number = name.partition(".")
        known = [f"{feature}.{one}" for one in _rates_of(feature)] or sorted(features())
        if name not in known:
            raise ImproperlyConfigured(f"FEATURE_PRICES names {name}: use {', '.join(known)}.")
        least = 1 if number.startswith(STARTED) else 0
        if not least <= value <= MAX_PRICE:
            raise ImproperlyConfigured(
                f"FEATURE_PRICES sets {name} to {value}: use {least} to {MAX_PRICE}."
            )


def _rates_of(name: str) -> list[str]:
    feature = features().get(name)
    return sorted({"base", *feature.tariff}) if feature and feature.tariff else []
