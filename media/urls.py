"""Route the URLs of the media endpoints and of the file-system storage."""

from django.urls import path

from media.consents.views import ConsentsView, ConsentView, ReceiptView, RevokeView
from media.provenance.views import ProvenanceView
from media.storage.views import SignedObjectView
from media.views import (
    ConfirmView,
    ImportView,
    MediaListView,
    MediaView,
    ProjectMediaListView,
    ProjectMediaView,
    UploadUrlView,
    UploadView,
)
from media.voices.views import ConfirmVoiceView, VoicesView, VoiceView

PROJECT_MEDIA = "projects/<uuid:project_id>/media"

urlpatterns = [
    path(PROJECT_MEDIA, ProjectMediaListView.as_view(), name="project-media"),
    path(f"{PROJECT_MEDIA}/upload-url", UploadUrlView.as_view(), name="media-upload-url"),
    path(f"{PROJECT_MEDIA}/import", ImportView.as_view(), name="media-import"),
    path(f"{PROJECT_MEDIA}/<uuid:media_id>", ProjectMediaView.as_view(), name="project-media-file"),
    path(f"{PROJECT_MEDIA}/<uuid:media_id>/upload", UploadView.as_view(), name="media-upload"),
    path(f"{PROJECT_MEDIA}/<uuid:media_id>/confirm", ConfirmView.as_view(), name="media-confirm"),
    path("media", MediaListView.as_view(), name="media"),
    path("media/<uuid:media_id>", MediaView.as_view(), name="media-file"),
    path("media/<uuid:media_id>/provenance", ProvenanceView.as_view(), name="media-provenance"),
    path("voices", VoicesView.as_view(), name="voices"),
    path("voices/<uuid:voice_id>", VoiceView.as_view(), name="voice"),
    path("voices/<uuid:voice_id>/confirm", ConfirmVoiceView.as_view(), name="voice-confirm"),
    path("consents", ConsentsView.as_view(), name="consents"),
    path("consents/<uuid:consent_id>", ConsentView.as_view(), name="consent"),
    path("consents/<uuid:consent_id>/revoke", RevokeView.as_view(), name="consent-revoke"),
    path("consents/<uuid:consent_id>/receipt", ReceiptView.as_view(), name="consent-receipt"),
    path("storage/<path:key>", SignedObjectView.as_view(), name="storage-object"),
]
