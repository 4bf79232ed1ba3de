"""The admin, with our site in place of Django's."""

from django.contrib.admin.apps import AdminConfig


class StaffAdminConfig(AdminConfig):
    """Put into ``INSTALLED_APPS``; nothing may be imported here that needs models."""

    default_site = "accounts.staff.site.StaffSite"
