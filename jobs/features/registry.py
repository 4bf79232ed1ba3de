"""All features by name, found by their modules."""

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache

import jobs.features
from jobs.features.base import Feature

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


def feature_of(name: str) -> Feature:
    """The feature of a job's ``type``; raises ``KeyError`` for one no longer declared."""
    return features()[name]
