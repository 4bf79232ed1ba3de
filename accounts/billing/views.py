"""`/billing`: what is on sale, and the pages on which it is bought and managed."""

from typing import ClassVar, cast

from django.conf import settings
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.billing import auto_top_up, checkout, client, offers
from accounts.billing.models import AutoTopUp, BillingCustomer
from accounts.billing.serializers import (
    AutoTopUpSerializer,
    AutoTopUpStateSerializer,
    BillingSerializer,
    CheckoutSerializer,
    PageSerializer,
)
from accounts.models import User
from auteur.core.api import idempotency
from auteur.core.api.idempotency import idempotent
from auteur.core.api.problems import NotFoundProblem, Resource
from auteur.core.api.requests import api_key_id, user_id
from auteur.core.api.scopes import Scope
from auteur.core.api.views import APIView


class BillingView(APIView):
    """`GET /billing`."""

    scopes: ClassVar = {"GET": Scope.READ}
    problems: ClassVar = {"GET": (client.BillingDisabledProblem,)}

    @extend_schema(
        summary="List plans and packs on sale",
        description="503 `billing_disabled` if this installation sells nothing.",
        responses=BillingSerializer,
    )
    def get(self, request: Request) -> Response:
        """Return the plans and packs on sale."""
        client.check_enabled()
        has_portal = BillingCustomer.objects.filter(user_id=user_id(request)).exists()
        answer = {
            "plans": list(offers.list_plans().values()),
            "packs": list(offers.list_packs().values()),
            "has_portal": has_portal,
        }
        return Response(BillingSerializer(answer).data)


class CheckoutView(APIView):
    """`POST /billing/checkout`."""

    scopes: ClassVar = {"POST": Scope.BILLING}
    problems: ClassVar = {"POST": (*checkout.PROBLEMS, checkout.AlreadySubscribedProblem)}

    @extend_schema(
        summary="Buy a plan, or a pack of credits",
        description="The answer has the address of a page at Stripe. The credits are granted after "
        "payment. 409 `already_subscribed` if you have a plan, which the portal can change.",
        request=CheckoutSerializer,
        responses={201: PageSerializer},
    )
    @idempotent
    def post(self, request: Request) -> Response:
        """Return the URL of Stripe's checkout page."""
        serializer = CheckoutSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        user, key = cast(User, request.user), request.headers.get(idempotency.HEADER)
        if "plan" in serializer.validated_data:
            url = checkout.buy_plan(user=user, name=serializer.validated_data["plan"], key=key)
        else:
            url = checkout.buy_pack(user=user, name=serializer.validated_data["pack"], key=key)
        return Response(PageSerializer({"url": url}).data, status=status.HTTP_201_CREATED)


class PortalView(APIView):
    """`POST /billing/portal`."""

    scopes: ClassVar = {"POST": Scope.BILLING}
    problems: ClassVar = {"POST": (*checkout.PROBLEMS, checkout.NothingBoughtProblem)}

    @extend_schema(
        summary="Manage plan, cards and invoices",
        description="The answer has the address of a page at Stripe. 409 `nothing_bought` before "
        "the first purchase.",
        request=None,
        responses={201: PageSerializer},
    )
    @idempotent
    def post(self, request: Request) -> Response:
        """Return the URL of the portal."""
        url = checkout.create_portal_url(user=cast(User, request.user))
        return Response(PageSerializer({"url": url}).data, status=status.HTTP_201_CREATED)


class AutoTopUpView(APIView):
    """`/billing/auto-top-up`."""

    scopes: ClassVar = {"GET": Scope.READ, "PUT": Scope.BILLING}
    problems: ClassVar = {
        "GET": (client.BillingDisabledProblem, NotFoundProblem),
        "PUT": (
            *checkout.PROBLEMS,
            checkout.NothingBoughtProblem,
            auto_top_up.NoPaymentMethodProblem,
            auto_top_up.KeyRaisesCapProblem,
        ),
    }

    @extend_schema(
        summary="Read your automatic top-up",
        description="404 `not_found` if it was never set up.",
        responses=AutoTopUpStateSerializer,
    )
    def get(self, request: Request) -> Response:
        """Return the settings and state of the automatic top-up."""
        row = auto_top_up.find_auto_top_up(user=cast(User, request.user))
        if row is None:
            raise NotFoundProblem(Resource.AUTO_TOP_UP)
        return _build_response(row)

    @extend_schema(
        summary="Set up automatic top-up",
        description="A pack is bought when your credits fall below the threshold: one at a time, "
        "within the monthly cap, with your payment method at Stripe (409 `no_payment_method` or "
        "`nothing_bought` if there is none). A declined payment turns it off. An API key can lower "
        "`monthly_cap`, but not set or raise it (403 `key_raises_cap`, with the current "
        "`monthly_cap`).",
        request=AutoTopUpSerializer,
        responses=AutoTopUpStateSerializer,
    )
    def put(self, request: Request) -> Response:
        """Replace the settings of the automatic top-up."""
        serializer = AutoTopUpSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        row = auto_top_up.set_auto_top_up(
            user=cast(User, request.user),
            values=serializer.validated_data,
            by_api_key=api_key_id(request) is not None,
        )
        return _build_response(row)


def _build_response(row: AutoTopUp) -> Response:
    state = {
        "enabled": row.enabled,
        "pack": row.pack,
        "threshold": row.threshold,
        "monthly_cap": row.monthly_cap,
        "currency": settings.BILLING_CURRENCY,
        "charged_this_month": auto_top_up.get_monthly_charges(row.pk),
        "off_reason": row.off_reason,
    }
    return Response(AutoTopUpStateSerializer(state).data)
