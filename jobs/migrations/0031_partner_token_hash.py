"""Addresses of `/shared` are found by a hash of their token.

Tokens of requests that were answered before are hashed by `jobs.integrations.partners.answers.hash_tokens`, once no
process that looks them up in plain is left.
"""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("jobs", "0030_unused_indexes")]

    operations = [
        migrations.AddField(
            "partnerrequest",
            "token_hash",
            models.BinaryField(
                help_text="SHA-256 of the token with which anybody can read the result.",
                max_length=32,
                null=True,
            ),
        ),
        AddIndexConcurrently(
            "partnerrequest",
            models.Index(
                fields=["token_hash"],
                condition=Q(token_hash__isnull=False),
                name="partner_requests_by_token_hash",
            ),
        ),
        migrations.AlterField(
            "partnerrequest",
            "token",
            models.CharField(
                help_text="The token in plain text, until the request is answered.",
                max_length=64,
                null=True,
                unique=True,
            ),
        ),
    ]
