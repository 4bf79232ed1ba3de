"""All addresses; each app lists its own."""

from django.urls import URLPattern, URLResolver

urlpatterns: list[URLPattern | URLResolver] = []

handler400 = "auteur.api.problems.bad_request"
handler403 = "auteur.api.problems.permission_denied"
handler404 = "auteur.api.problems.page_not_found"
handler500 = "auteur.api.problems.server_error"
