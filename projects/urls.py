"""Addresses of the project endpoints."""

from django.urls import path

from projects import views

urlpatterns = [
    path("projects", views.ProjectsView.as_view(), name="projects"),
    path("projects/<uuid:project_id>", views.ProjectView.as_view(), name="project"),
    path("projects/<uuid:project_id>/edl", views.EdlView.as_view(), name="edl"),
    path(
        "projects/<uuid:project_id>/transcript", views.TranscriptView.as_view(), name="transcript"
    ),
]
