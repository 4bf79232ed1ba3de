"""The URLs of the credits endpoints."""

from django.urls import path

from credits.views import BalanceView, HistoryView

urlpatterns = [
    path("credits", BalanceView.as_view(), name="credits"),
    path("credits/history", HistoryView.as_view(), name="credits-history"),
]
