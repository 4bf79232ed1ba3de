"""The URLs of `/billing`."""

from django.urls import path

from accounts.billing import views
from accounts.billing.webhook import webhook

urlpatterns = [
    path("billing", views.BillingView.as_view()),
    path("billing/checkout", views.CheckoutView.as_view()),
    path("billing/portal", views.PortalView.as_view()),
    path("billing/auto-top-up", views.AutoTopUpView.as_view()),
    path("billing/webhook", webhook),
]
