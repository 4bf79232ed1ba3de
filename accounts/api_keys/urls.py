"""The URLs of `/api-keys`."""

from django.urls import path

from accounts.api_keys.views import ApiKeysView, ApiKeyView

urlpatterns = [
    path("api-keys", ApiKeysView.as_view()),
    path("api-keys/<uuid:key_id>", ApiKeyView.as_view()),
]
