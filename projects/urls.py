"""Route the URLs of the project endpoints."""

from django.urls import path

from projects import (
    copy_views,
    edl_views,
    frame_views,
    interchange_views,
    transcript_views,
    views,
)

PROJECT = "projects/<uuid:project_id>"

urlpatterns = [
    path("projects", views.ProjectsView.as_view(), name="projects"),
    path(PROJECT, views.ProjectView.as_view(), name="project"),
    path(f"{PROJECT}/placeholders", copy_views.PlaceholdersView.as_view(), name="placeholders"),
    path(f"{PROJECT}/copies", copy_views.CopiesView.as_view(), name="copies"),
    path(f"{PROJECT}/edl", edl_views.EdlView.as_view(), name="edl"),
    path(f"{PROJECT}/edl/history", edl_views.HistoryView.as_view(), name="edl-history"),
    path(f"{PROJECT}/edl/undo", edl_views.UndoView.as_view(), name="edl-undo"),
    path(f"{PROJECT}/edl/redo", edl_views.RedoView.as_view(), name="edl-redo"),
    path(f"{PROJECT}/edl/export", interchange_views.ExportView.as_view(), name="edl-export"),
    path(f"{PROJECT}/edl/import", interchange_views.ImportView.as_view(), name="edl-import"),
    path(f"{PROJECT}/frame", frame_views.FrameView.as_view(), name="frame"),
    path(f"{PROJECT}/transcript", transcript_views.TranscriptView.as_view(), name="transcript"),
    path(f"{PROJECT}/transcript.srt", transcript_views.SrtView.as_view(), name="captions-srt"),
    path(f"{PROJECT}/transcript.vtt", transcript_views.VttView.as_view(), name="captions-vtt"),
    path(f"{PROJECT}/transcript.json", transcript_views.JsonView.as_view(), name="captions-json"),
    path(f"{PROJECT}/transcript.txt", transcript_views.TextView.as_view(), name="captions-text"),
    path(
        f"{PROJECT}/transcript/segments/<str:segment_id>",
        transcript_views.SegmentView.as_view(),
        name="segment",
    ),
]
