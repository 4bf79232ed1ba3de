"""Route the URLs of `/webhooks`."""

from django.urls import path

from jobs.integrations.webhooks import views

ENDPOINT = "webhooks/<uuid:endpoint_id>"
DELIVERY = f"{ENDPOINT}/deliveries/<uuid:delivery_id>"

urlpatterns = [
    path("webhooks", views.EndpointsView.as_view()),
    path("webhooks/callback-secret", views.CallbackSecretView.as_view()),
    path(ENDPOINT, views.EndpointView.as_view()),
    path(f"{ENDPOINT}/rotate", views.RotateView.as_view()),
    path(f"{ENDPOINT}/ping", views.PingView.as_view()),
    path(f"{ENDPOINT}/challenge", views.ChallengeView.as_view()),
    path(f"{ENDPOINT}/verify", views.VerifyView.as_view()),
    path(f"{ENDPOINT}/replay", views.ReplayView.as_view()),
    path(f"{ENDPOINT}/deliveries", views.DeliveriesView.as_view()),
    path(DELIVERY, views.DeliveryView.as_view()),
    path(f"{DELIVERY}/redeliver", views.RedeliverView.as_view()),
]
