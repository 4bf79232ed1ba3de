"""What we know of Stripe: customers, events, payments, automatic top-ups (decision 38)."""

import uuid

import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models


def closed(table):
    return migrations.RunSQL(
        f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
        f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY",
    )


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0002_row_level_security"),
    ]

    operations = [
        migrations.CreateModel(
            name="AutoTopUp",
            fields=[
                (
                    "user",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="auto_top_up",
                        serialize=False,
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("enabled", models.BooleanField()),
                ("pack", models.CharField(max_length=50)),
                (
                    "threshold",
                    models.IntegerField(
                        help_text="The pack is bought when the balance falls below this."
                    ),
                ),
                (
                    "monthly_cap",
                    models.BigIntegerField(
                        help_text="The most money to charge in a calendar month (UTC), in the smallest unit."
                    ),
                ),
                (
                    "off_reason",
                    models.CharField(
                        help_text="Why we turned it off.",
                        max_length=100,
                        null=True,
                    ),
                ),
                (
                    "due_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(),
                        help_text="When the balance is checked next.",
                    ),
                ),
                ("updated_at", models.DateTimeField(auto_now=True)),
            ],
            options={
                "db_table": "auto_top_ups",
                "indexes": [
                    models.Index(
                        condition=models.Q(("enabled", True)),
                        fields=["due_at"],
                        name="auto_top_ups_due",
                    )
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("monthly_cap__gte", 1), ("threshold__gte", 1)),
                        name="auto_top_ups_bounded",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="BillingCustomer",
            fields=[
                (
                    "user",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="billing_customer",
                        serialize=False,
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("stripe_id", models.CharField(max_length=255, unique=True)),
                ("flagged_at", models.DateTimeField(null=True)),
                (
                    "flag_reason",
                    models.CharField(
                        help_text="Why staff should look at the account.", max_length=50, null=True
                    ),
                ),
                (
                    "plan_checked_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(),
                        help_text="When the plan was last read from Stripe.",
                    ),
                ),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), editable=False
                    ),
                ),
            ],
            options={
                "db_table": "billing_customers",
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("flag_reason", None), ("flagged_at", None)),
                            models.Q(("flag_reason__isnull", False), ("flagged_at__isnull", False)),
                            _connector="OR",
                        ),
                        name="billing_customers_flagged_have_a_reason",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="BillingEvent",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, primary_key=True, serialize=False)),
                ("stripe_id", models.CharField(max_length=255, unique=True)),
                ("type", models.CharField(max_length=100)),
                ("object_id", models.CharField(blank=True, max_length=255)),
                (
                    "customer_id",
                    models.CharField(
                        blank=True,
                        help_text="Stripe's id of the customer, if the event names one.",
                        max_length=255,
                    ),
                ),
                ("is_live", models.BooleanField()),
                (
                    "is_found",
                    models.BooleanField(
                        help_text="True if `stripe_sync` found the event, which the webhook had missed."
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("waiting", "Waiting"),
                            ("done", "Done"),
                            ("ignored", "Ignored"),
                            ("set_aside", "Set aside"),
                        ],
                        default="waiting",
                        max_length=20,
                    ),
                ),
                (
                    "reason",
                    models.CharField(
                        choices=[
                            ("unknown_customer", "The customer is none of ours"),
                            ("customer_mismatch", "Paid by another customer than it was sold to"),
                            ("other_currency", "Not in our currency"),
                            ("unknown_price", "A price that we do not sell"),
                            ("unknown_payment", "A payment for nothing that we sold"),
                            ("period_over", "What was paid for is over already"),
                            ("too_many_grants", "The account holds as many open grants as it can"),
                            ("other_mode", "A test among live events, or the reverse"),
                            ("gone", "Stripe does not know what it is about"),
                            ("unreadable", "Stripe's answer is not what we know"),
                            ("failed", "We failed, each time that we tried"),
                        ],
                        max_length=50,
                        null=True,
                    ),
                ),
                ("detail", models.CharField(blank=True, db_default="", default="", max_length=500)),
                ("holder", models.CharField(max_length=255, null=True)),
                (
                    "due_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(),
                        help_text="When to process it, or when the lease of its holder ends.",
                        null=True,
                    ),
                ),
                ("tries", models.SmallIntegerField(default=0)),
                (
                    "happened_at",
                    models.DateTimeField(help_text="When the event happened at Stripe."),
                ),
                (
                    "received_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), editable=False
                    ),
                ),
            ],
            options={
                "db_table": "billing_events",
                "indexes": [
                    models.Index(
                        condition=models.Q(("state", "waiting")),
                        fields=["due_at"],
                        name="billing_events_due",
                    ),
                    models.Index(fields=["-happened_at", "-id"], name="billing_events_newest"),
                    models.Index(fields=["customer_id"], name="billing_events_of_customer"),
                    models.Index(fields=["object_id"], name="billing_events_of_object"),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("due_at__isnull", False), ("state", "waiting")),
                            models.Q(
                                models.Q(("state", "waiting"), _negated=True),
                                ("due_at", None),
                                ("holder", None),
                            ),
                            _connector="OR",
                        ),
                        name="billing_events_waiting_are_due",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("reason__isnull", False), ("state", "set_aside")),
                            models.Q(
                                models.Q(("state", "set_aside"), _negated=True), ("reason", None)
                            ),
                            _connector="OR",
                        ),
                        name="billing_events_set_aside_have_a_reason",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="BillingPayment",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, primary_key=True, serialize=False)),
                ("stripe_id", models.CharField(max_length=255, unique=True)),
                (
                    "kind",
                    models.CharField(choices=[("plan", "Plan"), ("pack", "Pack")], max_length=20),
                ),
                ("credits", models.IntegerField(help_text="Credits that the payment bought.")),
                (
                    "expires_at",
                    models.DateTimeField(help_text="When these credits expire.", null=True),
                ),
                (
                    "amount",
                    models.BigIntegerField(help_text="Paid, in the smallest unit of the currency."),
                ),
                ("currency", models.CharField(max_length=3)),
                (
                    "lost",
                    models.BigIntegerField(
                        default=0, help_text="Refunded or disputed, in the same unit."
                    ),
                ),
                (
                    "withdrawn",
                    models.IntegerField(
                        default=0, help_text="Credits that are no longer paid for."
                    ),
                ),
                (
                    "taken",
                    models.IntegerField(
                        default=0,
                        help_text="Of the withdrawn credits, those that could be clawed back.",
                    ),
                ),
                (
                    "returns",
                    models.SmallIntegerField(
                        default=0,
                        help_text="How often credits were restored after a won dispute or a failed refund.",
                    ),
                ),
                (
                    "checked_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(),
                        help_text="When refunds and disputes were last read from Stripe.",
                    ),
                ),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), editable=False
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="billing_payments",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "db_table": "billing_payments",
                "indexes": [
                    models.Index(
                        fields=["user", "-created_at", "-id"], name="billing_payments_of_user"
                    )
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            ("amount__gte", 0),
                            ("credits__gte", 0),
                            ("lost__gte", 0),
                            ("taken__gte", 0),
                            ("taken__lte", models.F("withdrawn")),
                            ("withdrawn__lte", models.F("credits")),
                        ),
                        name="billing_payments_take_back_at_most_what_was_bought",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="TopUp",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, primary_key=True, serialize=False)),
                ("pack", models.CharField(max_length=50)),
                ("credits", models.IntegerField()),
                (
                    "amount",
                    models.BigIntegerField(help_text="In the smallest unit of the currency."),
                ),
                ("currency", models.CharField(max_length=3)),
                (
                    "payment_method",
                    models.CharField(
                        help_text="Stripe's id of the payment method.",
                        max_length=255,
                    ),
                ),
                (
                    "stripe_id",
                    models.CharField(
                        help_text="Stripe's id of the payment intent, once it is known.",
                        max_length=255,
                        null=True,
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("open", "Open"),
                            ("succeeded", "Succeeded"),
                            ("failed", "Failed"),
                        ],
                        default="open",
                        max_length=20,
                    ),
                ),
                ("error_code", models.CharField(max_length=100, null=True)),
                (
                    "due_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(),
                        help_text="When to process it next.",
                        null=True,
                    ),
                ),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), editable=False
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="top_ups",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "db_table": "top_ups",
                "indexes": [
                    models.Index(
                        condition=models.Q(("state", "open")), fields=["due_at"], name="top_ups_due"
                    ),
                    models.Index(fields=["user", "-created_at", "-id"], name="top_ups_of_user"),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("state", "open")),
                        fields=("user",),
                        name="top_ups_one_open",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("due_at__isnull", False), ("state", "open")),
                            models.Q(models.Q(("state", "open"), _negated=True), ("due_at", None)),
                            _connector="OR",
                        ),
                        name="top_ups_open_are_due",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("amount__gte", 1), ("credits__gte", 1)),
                        name="top_ups_of_something",
                    ),
                ],
            },
        ),
        closed("billing_customers"),
        closed("billing_events"),
        closed("billing_payments"),
        closed("auto_top_ups"),
        closed("top_ups"),
    ]
