"""Answers that were stored before lose their webhooks' secrets.

Signed URLs in them stop working within 15 minutes, and the rows are deleted within a day.
"""

from django.db import migrations

REDACT = r"""
UPDATE idempotency_keys SET body = regexp_replace(body, '"whsec_[^"]*"', 'null', 'g')
WHERE body LIKE '%"whsec\_%'
"""


class Migration(migrations.Migration):
    dependencies = [("api", "0003_sealed_answers")]

    operations = [migrations.RunSQL(REDACT, migrations.RunSQL.noop, elidable=True)]
