"""Addresses whose first segment is fixed, open, or ends in the middle."""

from django.http import HttpRequest, HttpResponse
from django.urls import include, path, re_path


def view(request: HttpRequest, **values: object) -> HttpResponse:
    return HttpResponse()


urlpatterns = [
    path("fixed/one", view, name="first"),
    path("<str:what>/two", view, {"extra": 1}, name="any"),
    path("", include([path("grouped/<str:name>", view, name="grouped")])),
    path("", include(([path("named", view, name="named")], "app"), namespace="space")),
    path("fixed/three", view, name="late"),
    path("fixed", view, name="short"),
    path("fix", include([path("edly", view, name="prefix")])),
    re_path(r"^(?P<number>[0-9]+)$", view, name="number"),
]
