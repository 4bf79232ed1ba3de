"""Serve `/shared/:token`, the lasting address of a video that was made for a partner."""

from typing import ClassVar

from django.http import HttpResponse, HttpResponseRedirect
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.views import APIView

from auteur.core.api.problems import NotFoundProblem, Resource
from auteur.core.api.throttling import Cost
from jobs.integrations.partners.answers import find_shared_media
from media.storage import object_storage
from media.storage.views import AnyAccept


class SharedMediaView(APIView):
    """Redirect to the file until it is deleted. The URL is the only permission that is needed."""

    authentication_classes = ()
    permission_classes = ()
    costs: ClassVar = {"GET": Cost.STATUS}
    content_negotiation_class = AnyAccept

    @extend_schema(exclude=True)
    def get(self, request: Request, token: str) -> HttpResponse:
        """Redirect to a signed URL of the file. The URL is valid for minutes."""
        media = find_shared_media(token)
        if media is None:
            raise NotFoundProblem(Resource.FILE)
        response = HttpResponseRedirect(
            object_storage().presigned_get(media.r2_key, filename=media.name)
        )
        # The next request must get a new URL, or learn that the file was deleted.
        response["Cache-Control"] = "no-store"
        response["Referrer-Policy"] = "no-referrer"
        return response
