"""Describe the features for clients: each with its price, plan, limits and parameters.

The catalogue follows from the declarations and the settings.
"""

import sys
from collections.abc import Iterator
from typing import Any

from django.conf import settings
from rest_framework import serializers
from rest_framework.fields import empty

from jobs.calls import circuits
from jobs.calls.capacity import class_limit
from jobs.checks import list_missing_packages
from jobs.estimates.price_text import price_text
from jobs.features.base import Feature
from jobs.features.parameters import MediaField, ProjectField, VoiceField
from jobs.features.registry import features
from media.content_types import ACCEPTED, get_media_type
from media.models import MediaType

KINDS: tuple[tuple[type[serializers.Field[Any, Any, Any, Any]], str], ...] = (
    (MediaField, "media"),
    (VoiceField, "voice"),
    (ProjectField, "project"),
    (serializers.BooleanField, "boolean"),
    (serializers.IntegerField, "integer"),
    (serializers.FloatField, "number"),
)
BOUNDS = ("min_value", "max_value", "min_length", "max_length")


def build_catalogue(*, plan: str | None = None, is_signed_in: bool = False) -> dict[str, Any]:
    """Return every declared feature, and the content types that files of each type may have.

    ``plan`` is the plan of the signed-in user: features of another plan are locked for them.
    """
    types: dict[str, list[str]] = {media_type.value: [] for media_type in MediaType}
    for content_type in ACCEPTED:
        types[get_media_type(content_type)].append(content_type)
    return {
        "features": [
            describe_feature(feature, is_locked=is_signed_in and feature.plan not in (None, plan))
            | _build_impairment(feature)
            for _, feature in sorted(features().items())
        ],
        "content_types": types,
    }


def describe_feature(feature: Feature, *, is_locked: bool = False) -> dict[str, Any]:
    """Return what a feature declares; ``price`` has nulls if no parameter's amount sets it.

    Needs no database, because the docs are built from it. ``is_locked`` means that the user's plan
    lacks the feature.
    """
    return {
        "type": feature.name,
        "path": f"/jobs/{feature.slug}",
        "title": feature.summary,
        "description": sys.modules[type(feature).__module__].__doc__ or feature.summary,
        "available": feature.is_enabled and not list_missing_packages(feature) and not is_locked,
        "enabled": feature.is_enabled,
        "locked_by_plan": is_locked,
        "engine": feature.engine,
        "is_draft": feature.engine == "draft",
        "plan": feature.plan,
        "price": _build_price(feature),
        "limits": _build_limits(feature),
        "parameters": dict(_iterate_parameters(feature)),
    }


def _build_impairment(feature: Feature) -> dict[str, Any]:
    """Return since when an outage stops a feature, and when it is tried next."""
    open_circuits = circuits.open_circuits_of(feature)
    probe_times = [c.next_probe_at for c in open_circuits if c.next_probe_at is not None]
    has_next_try = len(probe_times) == len(open_circuits)
    return {
        "impaired_since": min((circuit.opened_at for circuit in open_circuits), default=None),
        "next_try_at": max(probe_times, default=None) if has_next_try else None,
    }


def _build_price(feature: Feature) -> dict[str, Any]:
    price: dict[str, Any] = dict.fromkeys(("credits", "per", "unit", "of", "base", "minimum"))
    if feature.measured:
        price["unit"], price["per"] = feature.unit
        price["of"] = feature.measured
        price["credits"], price["base"] = feature.rates["credits"], feature.rates.get("base", 0)
        price["minimum"] = price["base"] + price["credits"]
    return {**price, "text": price_text(feature), "price_version": feature.price_version}


def _build_limits(feature: Feature) -> dict[str, Any]:
    gpu_class_limit = class_limit(feature.gpu_class)
    return {
        "run_seconds": feature.contract.time_limit_seconds,
        "wait_seconds": int(feature.max_wait.total_seconds()),
        "run_ms": feature.contract.time_limit_seconds * 1000,
        "wait_ms": int(feature.max_wait.total_seconds()) * 1000,
        "in_flight": min(feature.at_once or gpu_class_limit, gpu_class_limit),
        "in_flight_per_user": settings.MAX_IN_FLIGHT or None,
        "in_flight_per_user_by_plan": settings.MAX_IN_FLIGHT_BY_PLAN,
        "input_bytes": settings.MAX_UPLOAD_BYTES,
        "output_bytes": min(feature.contract.max_output_bytes, settings.MAX_UPLOAD_BYTES),
        **feature.limits,
    }


def _iterate_parameters(feature: Feature) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, field in feature.parameters().fields.items():
        kind = next((kind for class_, kind in KINDS if isinstance(field, class_)), "string")
        entry = {
            "type": kind,
            "required": field.required,
            "description": str(field.help_text or ""),
        }
        if field.default is not empty:
            entry["default"] = field.default
        entry |= {
            bound: limit for bound in BOUNDS if (limit := getattr(field, bound, None)) is not None
        }
        if isinstance(field, serializers.ChoiceField):
            entry["choices"] = list(field.choices)
        if isinstance(field, MediaField):
            entry["media_types"] = list(field.types)
            entry["with_sound"] = field.sound
            if field.longest_ms is not None:
                entry["longest_ms"] = field.longest_ms()
            if field.consent is not None:
                entry["consent"] = field.consent
                entry["consent_required"] = settings.FACE_CONSENT_REQUIRED
        yield name, entry
