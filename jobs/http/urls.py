"""Route `/jobs`; the paths of features follow from their declarations."""

from django.urls import path

from jobs.features.registry import features
from jobs.http import views
from jobs.http.callbacks import gpu_callback, gpu_output
from jobs.http.catalogue_views import FeaturesView
from jobs.http.event_views import EventHeadView, EventsView, JobEventsView
from jobs.http.unknown_features import answer_unknown_feature

urlpatterns = [
    path("features", FeaturesView.as_view()),
    *(path(f"jobs/{f.slug}", views.build_submit_view(f).as_view()) for f in features().values()),
    *(
        path(f"jobs/{f.slug}/estimate", views.build_estimate_view(f).as_view())
        for f in features().values()
    ),
    path("jobs/batch", views.BatchView.as_view()),
    path("jobs", views.JobListView.as_view()),
    path("jobs/<uuid:job_id>", views.JobView.as_view()),
    path("jobs/<uuid:job_id>/cancel", views.CancelView.as_view()),
    path("jobs/<uuid:job_id>/retry", views.RetryView.as_view()),
    path("jobs/<uuid:job_id>/events", JobEventsView.as_view()),
    path("jobs/<str:name>", answer_unknown_feature),
    path("jobs/<str:name>/estimate", answer_unknown_feature),
    path("events", EventsView.as_view()),
    path("events/head", EventHeadView.as_view()),
    path("internal/gpu-callback", gpu_callback),
    path("internal/gpu-callback/outputs", gpu_output),
]
