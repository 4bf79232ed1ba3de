"""Route `/webhooks`, and the media that partners fetch."""

from django.urls import include, path

from jobs.integrations.partners.views import SharedMediaView

urlpatterns = [
    path("", include("jobs.integrations.webhooks.urls")),
    path("shared/<str:token>", SharedMediaView.as_view(), name="shared-media"),
]
