"""The endpoints about a user's credits."""

from typing import ClassVar

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from auteur.core.api.cached_serializers import serialize
from auteur.core.api.pagination import Cursor
from auteur.core.api.requests import api_key_id, user_id
from auteur.core.api.scopes import Scope
from auteur.core.api.views import APIView, ListAPIView
from credits import balances
from credits.models import CreditTransaction
from credits.serializers import (
    BalanceQuerySerializer,
    BalanceSerializer,
    CreditTransactionSerializer,
)


class BalanceView(APIView):
    """The balance."""

    scopes: ClassVar = {"GET": Scope.READ}

    @extend_schema(
        summary="Read your balance",
        parameters=[BalanceQuerySerializer],
        responses=BalanceSerializer,
    )
    def get(self, request: Request) -> Response:
        """Return the balance and its open grants, or the balance at a past time."""
        if "at" not in request.query_params:
            balance = balances.read_balance(
                user_id=user_id(request), api_key_id=api_key_id(request)
            )
            return Response(serialize(BalanceSerializer, balance))
        # A plain dictionary, because a serializer treats an empty value of a QueryDict as missing.
        query = BalanceQuerySerializer(data=request.query_params.dict())
        query.is_valid(raise_exception=True)
        past_balance = balances.read_past_balance(
            user_id=user_id(request), at=query.validated_data["at"]
        )
        return Response(serialize(BalanceSerializer, past_balance))


class TransactionsCursor(Cursor):
    """The cursor of transactions, newest first by ``seq``, because times of a busy account tie."""

    key = "transactions"
    ordering = "-seq"

    def _check_position(self, position: str) -> None:
        int(position)


@extend_schema(summary="List your credit transactions")
class HistoryView(ListAPIView):
    """The ledger of one user, newest first."""

    scopes: ClassVar = {"GET": Scope.READ}
    serializer_class = CreditTransactionSerializer
    pagination_class = TransactionsCursor

    def get_queryset(self) -> QuerySet[CreditTransaction]:
        return CreditTransaction.objects.filter(user_id=user_id(self.request))
