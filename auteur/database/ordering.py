"""The order of lists of everybody's rows, which staff read."""

from django.db.models import DateTimeField, Func


class TimeAtUtc(Func):
    """A time, as an index on it alone has it that no list of one user's rows may use.

    An index on the plain column serves each ``ORDER BY created_at``: PostgreSQL then walks through
    everybody's latest rows to find those of one user, where it takes them to be evenly spread.
    """

    function = "timezone"
    template = "%(function)s('UTC', %(expressions)s)"
    output_field = DateTimeField()
