"""The addresses that `live` answers by the API's own views. All others are not found."""

from django.urls import path

from auteur import health
from jobs.http.event_views import EventHeadView, EventsView, JobEventsView

urlpatterns = [
    path("events", EventsView.as_view()),
    path("events/head", EventHeadView.as_view()),
    path("jobs/<uuid:job_id>/events", JobEventsView.as_view()),
    path("health/live", health.live),
]

handler400 = "auteur.core.api.problems.bad_request"
handler403 = "auteur.core.api.problems.permission_denied"
handler404 = "auteur.core.api.problems.page_not_found"
handler500 = "auteur.core.api.problems.server_error"
