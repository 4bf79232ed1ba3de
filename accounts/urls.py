"""The URLs of the accounts endpoints."""

from django.urls import include, path

from accounts.views import ExportView, ProfileView, RestoreView, VerifyView

urlpatterns = [
    path("auth/verify", VerifyView.as_view(), name="auth-verify"),
    path("users/me", ProfileView.as_view(), name="profile"),
    path("", include("accounts.api_keys.urls")),
    path("users/me/restore", RestoreView.as_view(), name="restore"),
    path("users/me/export", ExportView.as_view(), name="export"),
    path("", include("accounts.billing.urls")),
]
