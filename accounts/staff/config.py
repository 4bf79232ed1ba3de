"""The admin app, with our site in place of Django's."""

from django.contrib.admin.apps import AdminConfig


class StaffAdminConfig(AdminConfig):
    """The admin app of ``INSTALLED_APPS``. This module must not import what needs models."""

    default_site = "accounts.staff.site.StaffSite"
