"""The order of the lists of all users' rows, which staff read."""

from django.db.models import DateTimeField, Func


class TimeAtUtc(Func):
    """A time, with an index of its own that no list of one user's rows may use.

    An index on the plain column serves each ``ORDER BY created_at``. If PostgreSQL assumes that a
    user's rows are evenly spread, it scans the latest rows of all users to find those of one.
    """

    function = "timezone"
    template = "%(function)s('UTC', %(expressions)s)"
    output_field = DateTimeField()
