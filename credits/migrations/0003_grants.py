"""Grants: what balances are made of (docs/decisions/0036). The accounts follow in the next one.

Old code goes on beside this: the triggers know what to do with movements that name no grant.
"""

import uuid

import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models
from django.db.models import Q

KINDS = [
    ("purchase", "Purchase"),
    ("subscription", "Subscription"),
    ("promo", "Promo"),
    ("adjustment", "Adjustment"),
    ("refund", "Refund"),
]
TYPES = [
    ("subscription", "Subscription"),
    ("usage", "Usage"),
    ("refund", "Refund"),
    ("bonus", "Bonus"),
    ("purchase", "Purchase"),
    ("expiry", "Expiry"),
    ("adjustment", "Adjustment"),
]
AMOUNT_FITS_TYPE = (
    Q(type="usage", amount__lt=0, job__isnull=False)
    | Q(type="refund", amount__gt=0, job__isnull=False)
    | Q(type="expiry", amount__lt=0, job__isnull=True)
    | Q(type__in=["subscription", "bonus", "purchase", "adjustment"], job__isnull=True)
)

# In PL/pgSQL, whose plans a session keeps: these run with each submission. One check that calls a
# function costs less than the same in SQL, which each statement that updates an account parses.
FUNCTIONS = """
CREATE FUNCTION credits_is_of_grants(
    balance int, ids bigint[], remaining int[], priorities int[], expiries timestamptz[]
) RETURNS boolean LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    total bigint := 0;
    amount int;
BEGIN
    IF (cardinality(ids), cardinality(priorities), cardinality(expiries))
       <> (cardinality(remaining), cardinality(remaining), cardinality(remaining)) THEN
        RETURN false;
    END IF;
    FOREACH amount IN ARRAY remaining LOOP
        IF amount > 0 THEN
            total := total + amount;
        ELSE
            RETURN false;
        END IF;
    END LOOP;
    RETURN total = balance;
END $$;

CREATE FUNCTION credits_next_expiry(expiries timestamptz[]) RETURNS timestamptz
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    first timestamptz;
    expiry timestamptz;
BEGIN
    FOREACH expiry IN ARRAY expiries LOOP
        first := least(first, expiry);
    END LOOP;
    RETURN first;
END $$;
"""
FUNCTIONS_UNDO = """
DROP FUNCTION credits_next_expiry(timestamptz[]);
DROP FUNCTION credits_is_of_grants(int, bigint[], int[], int[], timestamptz[]);
"""

# What remains of grants follows the balance, whoever moves it:
# - An account from before grants has one of what it had then.
# - Parts that are wanted are moved; a grant that had been used up is open again.
# - Else what the balance loses is drawn in the order in which grants burn, without those that have
#   expired, and what it gains is an adjustment.
MOVE = """
CREATE FUNCTION credits_move() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    change bigint := NEW.balance::bigint - OLD.balance;
    had_none bigint;
    left_over bigint;
    parts jsonb;
    is_new boolean := false;
    grant_row credit_grants;
    part record;
    place int;
    share int;
BEGIN
    -- Nearly always: the grant that burns first is drawn, and some of it is left.
    IF NEW.wanted_parts IS NULL AND change < 0 AND NEW.grant_remaining[1] > -change
       AND (NEW.grant_expires_at[1] <= statement_timestamp()) IS NOT TRUE THEN
        NEW.grant_remaining[1] := NEW.grant_remaining[1] + change;
        NEW.latest_parts := jsonb_build_array(
            jsonb_build_object('grant_id', NEW.grant_ids[1], 'amount', change));
        RETURN NEW;
    END IF;

    had_none := CASE cardinality(OLD.grant_ids) WHEN 0 THEN OLD.balance ELSE 0 END;
    change := CASE WHEN NEW.wanted_parts IS NULL THEN change ELSE 0 END;
    left_over := -change;
    parts := coalesce(NEW.wanted_parts, '[]');
    IF had_none > 0 OR change > 0 THEN
        INSERT INTO credit_grants (user_id, kind, amount, source, description)
        VALUES (NEW.user_id, 'adjustment', had_none + greatest(change, 0),
                CASE WHEN had_none > 0 THEN 'opening:' || NEW.user_id END,
                CASE WHEN had_none > 0 THEN 'Balance before grants' ELSE '' END)
        RETURNING * INTO grant_row;
        NEW.grant_ids := NEW.grant_ids || grant_row.id;
        NEW.grant_remaining := NEW.grant_remaining || grant_row.amount;
        NEW.grant_priorities := NEW.grant_priorities || grant_row.priority;
        NEW.grant_expires_at := NEW.grant_expires_at || grant_row.expires_at;
        is_new := true;
        IF change > 0 THEN
            parts := jsonb_build_array(
                jsonb_build_object('grant_id', grant_row.id, 'amount', change));
        END IF;
    END IF;

    IF change < 0 THEN
        FOR place IN 1 .. cardinality(NEW.grant_ids) LOOP
            EXIT WHEN left_over = 0;
            CONTINUE WHEN NEW.grant_expires_at[place] <= statement_timestamp();
            share := least(left_over, NEW.grant_remaining[place]);
            NEW.grant_remaining[place] := NEW.grant_remaining[place] - share;
            left_over := left_over - share;
            parts := parts || jsonb_build_object('grant_id', NEW.grant_ids[place], 'amount', -share);
        END LOOP;
        IF left_over > 0 THEN
            RAISE EXCEPTION 'credits_balance_not_negative: % credits are missing', left_over
                USING ERRCODE = 'check_violation', CONSTRAINT = 'credits_balance_not_negative';
        END IF;
    ELSIF NEW.wanted_parts IS NOT NULL THEN
        FOR part IN
            SELECT * FROM jsonb_to_recordset(NEW.wanted_parts) AS part (grant_id bigint, amount int)
        LOOP
            place := array_position(NEW.grant_ids, part.grant_id);
            IF place IS NOT NULL THEN
                NEW.grant_remaining[place] := NEW.grant_remaining[place] + part.amount;
            ELSE
                SELECT * INTO STRICT grant_row FROM credit_grants
                WHERE id = part.grant_id AND user_id = NEW.user_id;
                NEW.grant_ids := NEW.grant_ids || grant_row.id;
                NEW.grant_remaining := NEW.grant_remaining || part.amount;
                NEW.grant_priorities := NEW.grant_priorities || grant_row.priority;
                NEW.grant_expires_at := NEW.grant_expires_at || grant_row.expires_at;
                is_new := true;
            END IF;
        END LOOP;
    END IF;

    IF is_new OR 0 = ANY (NEW.grant_remaining) THEN
        SELECT coalesce(array_agg(id), '{}'), coalesce(array_agg(remaining), '{}'),
               coalesce(array_agg(priority), '{}'), coalesce(array_agg(expires_at), '{}')
        INTO NEW.grant_ids, NEW.grant_remaining, NEW.grant_priorities, NEW.grant_expires_at
        FROM (
            SELECT *
            FROM unnest(NEW.grant_ids, NEW.grant_remaining, NEW.grant_priorities,
                        NEW.grant_expires_at) AS open (id, remaining, priority, expires_at)
            WHERE remaining <> 0 ORDER BY priority, expires_at NULLS LAST, id
        ) AS in_order;
    END IF;
    NEW.latest_parts := parts;
    NEW.wanted_parts := NULL;
    RETURN NEW;
END $$;
CREATE TRIGGER move BEFORE UPDATE OF balance, wanted_parts ON credits
    FOR EACH ROW EXECUTE FUNCTION credits_move();

ALTER TABLE credits ADD CONSTRAINT credits_balance_is_of_grants CHECK (
    wanted_parts IS NULL AND credits_is_of_grants(
        balance, grant_ids, grant_remaining, grant_priorities, grant_expires_at)
) NOT VALID;
"""
MOVE_UNDO = """
ALTER TABLE credits DROP CONSTRAINT credits_balance_is_of_grants;
DROP TRIGGER move ON credits;
DROP FUNCTION credits_move();
"""

# A row that does not say its parts has its share of the latest movement: the rows of one follow
# each other, and the last of them ends at the balance.
PARTS = """
CREATE FUNCTION credit_transactions_parts() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    account record;
    upto bigint;
BEGIN
    SELECT balance, latest_parts, (
        SELECT sum(abs(amount)) FROM jsonb_to_recordset(latest_parts) AS part (amount int)
    ) AS total INTO account FROM credits WHERE user_id = NEW.user_id;
    upto := account.total - abs(NEW.balance_after - account.balance);
    SELECT coalesce(jsonb_agg(
        jsonb_build_object('grant_id', grant_id, 'amount', sign(NEW.amount)::int * share)
        ORDER BY place
    ), '[]') INTO NEW.parts
    FROM (
        SELECT grant_id, place,
               least(ends, upto) - greatest(ends - size, upto - abs(NEW.amount)) AS share
        FROM (
            SELECT grant_id, place, abs(amount) AS size,
                   sum(abs(amount)) OVER (ORDER BY place) AS ends
            FROM ROWS FROM (
                jsonb_to_recordset(account.latest_parts) AS (grant_id bigint, amount int)
            ) WITH ORDINALITY AS part (grant_id, amount, place)
        ) AS moved
    ) AS shared
    WHERE share > 0;
    RETURN NEW;
END $$;
CREATE TRIGGER parts BEFORE INSERT ON credit_transactions
    FOR EACH ROW WHEN (NEW.parts IS NULL)
    EXECUTE FUNCTION credit_transactions_parts();
"""
PARTS_UNDO = """
DROP TRIGGER parts ON credit_transactions;
DROP FUNCTION credit_transactions_parts();
"""

# The application may add to the new table at once: its triggers run as soon as this is done.
CLOSED = """
ALTER TABLE credit_grants ENABLE ROW LEVEL SECURITY;
CREATE FUNCTION credit_grants_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'credit_grants is append-only' USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON credit_grants
    FOR EACH ROW EXECUTE FUNCTION credit_grants_append_only();
DO $$
DECLARE
    role name;
BEGIN
    FOR role IN
        SELECT unnest(roles) FROM pg_policies
        WHERE tablename = 'credit_transactions' AND policyname = 'application'
          AND schemaname = current_schema()
    LOOP
        EXECUTE format('GRANT SELECT, INSERT ON credit_grants TO %I', role);
        EXECUTE format('CREATE POLICY application ON credit_grants TO %I'
                       ' USING (true) WITH CHECK (true)', role);
    END LOOP;
END $$;
"""
CLOSED_UNDO = """
DROP POLICY IF EXISTS application ON credit_grants;
DROP TRIGGER append_only ON credit_grants;
DROP FUNCTION credit_grants_append_only();
ALTER TABLE credit_grants DISABLE ROW LEVEL SECURITY;
"""


def user(**options):
    return models.ForeignKey(
        on_delete=django.db.models.deletion.PROTECT, to=settings.AUTH_USER_MODEL, **options
    )


def array(field, **options):
    return django.contrib.postgres.fields.ArrayField(
        base_field=field, db_default=[], default=list, size=None, **options
    )


class Migration(migrations.Migration):
    dependencies = [
        ("credits", "0002_rules"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="CreditGrant",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("kind", models.CharField(choices=KINDS, max_length=20)),
                ("amount", models.IntegerField()),
                (
                    "priority",
                    models.IntegerField(
                        db_default=100, default=100, help_text="The lowest burns first."
                    ),
                ),
                (
                    "expires_at",
                    models.DateTimeField(blank=True, help_text="Null: never.", null=True),
                ),
                (
                    "source",
                    models.CharField(
                        blank=True,
                        help_text="The reason of the grant, such as a payment, which grants only once.",
                        max_length=200,
                        null=True,
                        unique=True,
                    ),
                ),
                ("description", models.TextField(blank=True, db_default="", default="")),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), editable=False
                    ),
                ),
                (
                    "by",
                    user(
                        blank=True,
                        db_index=False,
                        help_text="The member of staff who granted it.",
                        null=True,
                        related_name="+",
                    ),
                ),
                ("user", user(related_name="credit_grants")),
            ],
            options={
                "db_table": "credit_grants",
                "constraints": [
                    models.CheckConstraint(
                        condition=Q(kind__in=[name for name, _ in KINDS]),
                        name="credit_grants_kind_known",
                    ),
                    models.CheckConstraint(
                        condition=Q(amount__gt=0), name="credit_grants_amount_is_positive"
                    ),
                ],
            },
        ),
        migrations.RunSQL(CLOSED, CLOSED_UNDO),
        migrations.CreateModel(
            name="CreditCorrection",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, primary_key=True, serialize=False)),
                ("amount", models.IntegerField()),
                (
                    "kind",
                    models.CharField(choices=KINDS, default="adjustment", max_length=20),
                ),
                (
                    "expires_at",
                    models.DateTimeField(blank=True, help_text="Null: never.", null=True),
                ),
                ("description", models.TextField(help_text="The client reads it.")),
                ("reason", models.TextField(help_text="Staff read it.")),
                (
                    "asked_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), editable=False
                    ),
                ),
                ("decided_at", models.DateTimeField(blank=True, null=True)),
                ("is_approved", models.BooleanField(blank=True, null=True)),
                ("asked_by", user(db_index=False, related_name="+")),
                ("decided_by", user(blank=True, db_index=False, null=True, related_name="+")),
                (
                    "grant",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        help_text="The grant to revoke; null for a new grant.",
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="credits.creditgrant",
                    ),
                ),
                ("user", user(help_text="Whose.", related_name="+")),
            ],
            options={
                "db_table": "credit_corrections",
                "constraints": [
                    models.CheckConstraint(
                        condition=Q(amount__gt=0), name="credit_corrections_amount_is_positive"
                    ),
                    models.CheckConstraint(
                        condition=~Q(asked_by=models.F("user")),
                        name="credit_corrections_not_of_their_own",
                    ),
                    models.CheckConstraint(
                        condition=Q(
                            decided_by__isnull=True, decided_at__isnull=True, is_approved=None
                        )
                        | Q(decided_by__isnull=False, decided_at__isnull=False, is_approved=False)
                        | Q(decided_by__isnull=False, decided_at__isnull=False, is_approved=True)
                        & ~Q(decided_by=models.F("asked_by"))
                        & ~Q(decided_by=models.F("user")),
                        name="credit_corrections_approved_by_another",
                    ),
                ],
            },
        ),
        migrations.RunSQL(
            "ALTER TABLE credit_corrections ENABLE ROW LEVEL SECURITY",
            "ALTER TABLE credit_corrections DISABLE ROW LEVEL SECURITY",
        ),
        migrations.AddField("credits", "grant_ids", array(models.BigIntegerField())),
        migrations.AddField("credits", "grant_remaining", array(models.IntegerField())),
        migrations.AddField("credits", "grant_priorities", array(models.IntegerField())),
        migrations.AddField(
            "credits",
            "grant_expires_at",
            array(models.DateTimeField(null=True), help_text="Null: never."),
        ),
        migrations.AddField(
            "credits",
            "wanted_parts",
            models.JSONField(
                blank=True,
                help_text="What a movement passes to the trigger; always null in a stored row.",
                null=True,
            ),
        ),
        migrations.AddField(
            "credits",
            "latest_parts",
            models.JSONField(
                blank=True,
                help_text="The changes of grants by the latest movement.",
                null=True,
            ),
        ),
        migrations.AddField(
            "credittransaction",
            "parts",
            models.JSONField(
                blank=True,
                help_text="What of the amount each grant gave or got; null in rows from before "
                "grants.",
                null=True,
            ),
        ),
        migrations.AlterField(
            "credittransaction", "type", models.CharField(choices=TYPES, max_length=50)
        ),
        migrations.RemoveConstraint("credittransaction", "credit_transactions_type_known"),
        migrations.RemoveConstraint("credittransaction", "credit_transactions_amount_fits_type"),
        AddConstraintNotValid(
            "credittransaction",
            models.CheckConstraint(
                condition=AMOUNT_FITS_TYPE, name="credit_transactions_amount_fits_type"
            ),
        ),
        migrations.RunSQL(FUNCTIONS, FUNCTIONS_UNDO),
        migrations.RunSQL(MOVE, MOVE_UNDO),
        migrations.RunSQL(PARTS, PARTS_UNDO),
    ]
