"""All URL patterns. Each app lists its own."""

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path
from django.views.generic import RedirectView

from auteur import health, studio
from auteur.core.api import problem_pages
from auteur.core.api.schema_views import DocsView, SchemaView
from auteur.help import views as help_views
from jobs.admin import costs as costs_admin
from jobs.admin import ledger_audit as ledger_audit_admin

urlpatterns: list[URLPattern | URLResolver] = [
    path("", include("accounts.urls")),
    path("", include("jobs.http.urls")),
    path("", include("projects.urls")),
    path("", include("media.urls")),
    path("", include("credits.urls")),
    path("", include("auteur.studio")),
    path("schema", SchemaView.as_view(), name="schema"),
    path("docs", DocsView.as_view(url_name="schema")),
    path("problems", problem_pages.problems_page),
    path("help", RedirectView.as_view(url=help_views.HOME)),
    path("help/", help_views.page),
    path("help/<path:path>", help_views.page),
    path("health/live", health.live),
    path("health/ready", health.ready),
    path(
        "admin/credits/credits/verify/",
        admin.site.admin_view(ledger_audit_admin.verify),
        name="verify-ledger",
    ),
    path(
        "admin/jobs/job/costs/",
        admin.site.admin_view(costs_admin.costs_page),
        name="job-costs",
    ),
    path("admin/", admin.site.urls),
    path("admin", RedirectView.as_view(pattern_name="admin:index")),
    path("", studio.start),
]

handler400 = "auteur.core.api.problems.bad_request"
handler403 = "auteur.core.api.problems.permission_denied"
handler404 = "auteur.core.api.problems.page_not_found"
handler500 = "auteur.core.api.problems.server_error"
