"""Serve `/features`: the features of this installation, for developers of editors."""

import hashlib
from typing import Any, ClassVar

from django.http import HttpResponseBase
from django.utils.cache import get_conditional_response
from drf_spectacular.utils import (
    OpenApiParameter,
    OpenApiResponse,
    extend_schema,
    extend_schema_serializer,
)
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from auteur.core.api.requests import plan_name
from auteur.core.api.scopes import Scope, WithinScope
from auteur.core.api.views import APIView
from jobs.http.catalogue import build_catalogue
from media.consents.models import ConsentKind

CACHE_SECONDS = 60
"""The time for which responses may be cached. Settings and prices change with a deployment."""


class PriceSerializer(serializers.Serializer[Any]):
    """`base`, and `credits` for each started `per` of the parameter `of`, in its `unit`."""

    credits = serializers.IntegerField(
        allow_null=True,
        help_text="The credits for each started unit. Null if the price is only known from an "
        "estimate.",
    )
    per = serializers.IntegerField(allow_null=True)
    unit = serializers.CharField(
        allow_null=True,
        help_text="The unit: `ms` of a media file or timeline, `sec`, `characters` or `count`.",
    )
    of = serializers.CharField(allow_null=True, help_text="The parameter whose amount is counted.")
    base = serializers.IntegerField(allow_null=True)
    minimum = serializers.IntegerField(allow_null=True)
    text = serializers.CharField(help_text="The price as text, such as `1 credit per 5 minutes`.")
    price_version = serializers.CharField(
        help_text="The version of the price. It changes whenever the price changes."
    )


@extend_schema_serializer(deprecate_fields=["run_seconds", "wait_seconds"])
class LimitsSerializer(serializers.Serializer[Any]):
    """The limits of one job, unless stated otherwise. A feature may have further limits."""

    run_seconds = serializers.IntegerField(help_text="Deprecated: use `run_ms`.")
    run_ms = serializers.IntegerField(help_text="The longest time that one attempt may run.")
    wait_ms = serializers.IntegerField(
        help_text="The longest time that a job waits. A job that waits longer fails with a refund."
    )
    wait_seconds = serializers.IntegerField(help_text="Deprecated: use `wait_ms`.")
    in_flight = serializers.IntegerField(help_text="The number of concurrent calls of all users.")
    in_flight_per_user = serializers.IntegerField(
        allow_null=True,
        help_text="The number of concurrent calls of one user in each GPU class. Null if "
        "only the fair queue limits them.",
    )
    in_flight_per_user_by_plan = serializers.DictField(child=serializers.IntegerField())
    input_bytes = serializers.IntegerField(help_text="The largest size of an input file.")
    output_bytes = serializers.IntegerField(help_text="The largest size of a result file.")
    longest_ms = serializers.IntegerField(
        required=False, help_text="The longest duration of a result."
    )
    total_pixels = serializers.IntegerField(
        required=False, help_text="The largest number of pixels of all results together."
    )


class ParameterSerializer(serializers.Serializer[Any]):
    """One parameter. A bound that is absent does not apply."""

    type = serializers.ChoiceField(
        choices=["media", "voice", "project", "boolean", "integer", "number", "string"]
    )
    description = serializers.CharField()
    min_value = serializers.FloatField(required=False)
    max_value = serializers.FloatField(required=False)
    min_length = serializers.IntegerField(required=False)
    max_length = serializers.IntegerField(required=False)
    choices = serializers.ListField(child=serializers.CharField(), required=False)
    media_types = serializers.ListField(child=serializers.CharField(), required=False)
    with_sound = serializers.BooleanField(required=False)
    longest_ms = serializers.IntegerField(required=False)
    consent = serializers.ChoiceField(
        choices=ConsentKind.choices,
        required=False,
        help_text="The feature of a person that is used. A recorded consent (`POST /consents`) "
        "can be revoked.",
    )
    consent_required = serializers.BooleanField(
        required=False,
        help_text="True if jobs without a consent are refused (422 `consent_required`).",
    )

    def get_fields(self) -> dict[str, Any]:
        """Add the fields whose names are attributes of every serializer."""
        default = serializers.JSONField(required=False)
        return super().get_fields() | {"required": serializers.BooleanField(), "default": default}


class FeatureSerializer(serializers.Serializer[Any]):
    """One feature with the settings of this installation."""

    type = serializers.CharField(help_text="The `type` of its jobs.")
    path = serializers.CharField(
        help_text="The path to submit jobs; estimates are at `/estimate` below it."
    )
    title = serializers.CharField()
    description = serializers.CharField()
    available = serializers.BooleanField(
        help_text="True if you can submit jobs of it now: it is enabled, its engine can run here, "
        "and your plan includes it."
    )
    enabled = serializers.BooleanField(
        help_text="False while the feature is switched off (503 `feature_disabled`). Open jobs "
        "continue."
    )
    locked_by_plan = serializers.BooleanField(
        help_text="True if the feature needs a `plan` that you do not have: 403 `plan_required`. "
        "False without a token."
    )
    impaired_since = serializers.DateTimeField(
        allow_null=True,
        help_text="The time since which an outage of ours fails most of its jobs, or since which "
        "its results cannot be signed. Jobs are still accepted and wait; they fail with a refund "
        "after `limits.wait_ms`. Null if the feature works.",
    )
    next_try_at = serializers.DateTimeField(
        allow_null=True,
        help_text="The time at which the next job is tried while the feature is impaired. All "
        "jobs continue when it succeeds. Null if the feature works, or if jobs continue only "
        "after a repair.",
    )
    engine = serializers.ChoiceField(choices=["draft", "production"])
    is_draft = serializers.BooleanField(
        help_text="A draft shows how the feature works, on a CPU and without its model's quality."
    )
    plan = serializers.CharField(
        allow_null=True, help_text="The plan that it needs. Null if it needs none."
    )
    price = PriceSerializer()
    limits = LimitsSerializer()
    parameters = serializers.DictField(child=ParameterSerializer())


class CatalogueSerializer(serializers.Serializer[Any]):
    """All features, by type."""

    features = FeatureSerializer(many=True)
    content_types = serializers.DictField(
        child=serializers.ListField(child=serializers.CharField()),
        help_text="The accepted content types of each media type.",
    )


class FeaturesView(APIView):
    """`GET /features`."""

    is_public = True
    permission_classes = (AllowAny, WithinScope)
    scopes: ClassVar = {"GET": Scope.READ}

    @extend_schema(
        operation_id="features_list",
        summary="List the features with prices, plans, limits and parameters",
        description="Prices and limits are public: no token is needed. With a token, `available` "
        "and `locked_by_plan` are those of the user's plan. The answer changes with a deployment "
        "or an outage: cache it, and request it again with `If-None-Match` (304).",
        parameters=[OpenApiParameter("If-None-Match", str, OpenApiParameter.HEADER)],
        responses={
            200: CatalogueSerializer,
            304: OpenApiResponse(description="The cached response is still valid."),
        },
    )
    def get(self, request: Request) -> HttpResponseBase:
        """Return the catalogue, or 304 if the client has it."""
        is_signed_in = request.user is not None
        plan = plan_name(request) if is_signed_in else None
        catalogue = build_catalogue(plan=plan, is_signed_in=is_signed_in)
        digest = hashlib.sha256(JSONRenderer().render(catalogue)).hexdigest()[:32]
        visibility = "private" if is_signed_in else "public"
        headers = {
            "ETag": f'"{digest}"',
            "Cache-Control": f"{visibility}, max-age={CACHE_SECONDS}",
            "Vary": "Authorization",
        }
        response = Response(catalogue, headers=headers)
        return (
            get_conditional_response(request._request, headers["ETag"], response=response)
            or response
        )
