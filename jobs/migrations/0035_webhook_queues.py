"""Webhooks: queues by their next due time, and endpoints that are verified (docs/decisions/0062).

The trigger keeps the queues in step with what any process writes, those of the release before too.
"""

from django.db import migrations, models

NOTE_DUE = """
CREATE FUNCTION note_due_webhook_queues() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO webhook_queues AS queue (id, user_id, next_due_at)
    SELECT written.lane, coalesce(endpoint.user_id, written.endpoint_id), min(written.due_at)
    FROM written LEFT JOIN webhook_endpoints AS endpoint ON endpoint.id = written.endpoint_id
    WHERE written.state = 'waiting'
    GROUP BY 1, 2 ORDER BY 1
    ON CONFLICT (id) DO UPDATE SET next_due_at = excluded.next_due_at
    WHERE queue.next_due_at > excluded.next_due_at;
    RETURN NULL;
END $$;
CREATE TRIGGER note_due_on_insert AFTER INSERT ON webhook_deliveries
    REFERENCING NEW TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION note_due_webhook_queues();
CREATE TRIGGER note_due_on_update AFTER UPDATE ON webhook_deliveries
    REFERENCING NEW TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION note_due_webhook_queues();
"""
NOTE_DUE_UNDO = """
DROP TRIGGER note_due_on_update ON webhook_deliveries;
DROP TRIGGER note_due_on_insert ON webhook_deliveries;
DROP FUNCTION note_due_webhook_queues();
"""
QUEUE_WAITING = """
INSERT INTO webhook_queues (id, user_id, next_due_at)
SELECT delivery.lane, coalesce(endpoint.user_id, delivery.endpoint_id), min(delivery.due_at)
FROM webhook_deliveries AS delivery
     LEFT JOIN webhook_endpoints AS endpoint ON endpoint.id = delivery.endpoint_id
WHERE delivery.state = 'waiting'
GROUP BY 1, 2
ON CONFLICT (id) DO NOTHING
"""
VERIFY_WHAT_WORKS = """
UPDATE webhook_endpoints SET verified_at = statement_timestamp()
WHERE EXISTS (
    SELECT FROM webhook_deliveries
    WHERE endpoint_id = webhook_endpoints.id AND state = 'succeeded'
)
"""


class Migration(migrations.Migration):
    dependencies = [("jobs", "0034_event_epochs_row_level_security")]

    operations = [
        migrations.AddField(
            "webhookendpoint",
            "verified_at",
            models.DateTimeField(help_text="When the owner proved to control the URL.", null=True),
        ),
        migrations.AlterField(
            "webhookdelivery",
            "lane",
            models.UUIDField(help_text="The queue in which the delivery waits (`WebhookQueue`)."),
        ),
        migrations.CreateModel(
            name="WebhookQueue",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        help_text="The value of `lane` of the deliveries.",
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                (
                    "user_id",
                    models.UUIDField(help_text="The user; the endpoint if that is deleted."),
                ),
                (
                    "next_due_at",
                    models.DateTimeField(help_text="The earliest time at which a delivery is due."),
                ),
            ],
            options={
                "db_table": "webhook_queues",
                "indexes": [
                    models.Index(fields=["next_due_at"], name="webhook_queues_by_due"),
                    models.Index(fields=["user_id"], name="webhook_queues_of_user"),
                ],
            },
        ),
        migrations.RunSQL(NOTE_DUE, NOTE_DUE_UNDO),
        migrations.RunSQL(QUEUE_WAITING, migrations.RunSQL.noop),
        migrations.RunSQL(VERIFY_WHAT_WORKS, migrations.RunSQL.noop),
    ]
