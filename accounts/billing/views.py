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
        summary="See what can be bought",
        description="503 `billing_disabled` where nothing is sold.",
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
        description="Answers a page of Stripe's; credits come once it has been paid. 409 "
        "`already_subscribed` where there is a plan to be changed in the portal.",
        request=CheckoutSerializer,
        responses={201: PageSerializer},
    )
    @idempotent
    def post(self, request: Request) -> Response:
        """Return the URL of the page on which it is bought."""
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
        description="Answers a page of Stripe's. 409 `nothing_bought` before the first purchase.",
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
        summary="See your automatic top-up",
        description="404 `not_found` before it was ever asked for.",
        responses=AutoTopUpStateSerializer,
    )
    def get(self, request: Request) -> Response:
        """Return the settings and state of the automatic top-up."""
        row = auto_top_up.find_auto_top_up(user=cast(User, request.user))
        if row is None:
            raise NotFoundProblem(Resource.AUTO_TOP_UP)
        return _build_response(row)

    @extend_schema(
        summary="Have a pack bought when credits run low",
        description="One at a time, within the month's cap, from the card that Stripe has of you "
        "(409 `no_payment_method`, `nothing_bought`). A payment that is declined turns it off. An "
        "API key can lower `monthly_cap`, but neither set it first nor raise it (403 "
        "`key_raises_cap`, with the `monthly_cap` that holds).",
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
        "charged_this_month": auto_top_up.charged_this_month(row.pk),
        "off_reason": row.off_reason,
    }
    return Response(AutoTopUpStateSerializer(state).data)
