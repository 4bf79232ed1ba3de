"""All options of Celery.

Postgres is the truth and a message is only a wake-up: lost ones are sent again by the orchestrator,
and never retried by Celery (docs/decisions/0002). The broker is Redis or RabbitMQ
(docs/decisions/0032).
"""

from django.conf import settings
from kombu import Queue

broker_url = settings.BROKER_URL
broker_use_ssl = settings.BROKER_TLS or False  # of Redis, the others read it in the URL
broker_connection_retry_on_startup = True
broker_connection_max_retries = None

task_serializer = "json"
accept_content = ["json"]
task_ignore_result = True
task_store_errors_even_if_ignored = False
task_acks_late = False  # but see `manage.py worker`, with RabbitMQ
task_create_missing_queues = True
task_default_queue = "default"

worker_prefetch_multiplier = 1
worker_hijack_root_logger = False
worker_send_task_events = settings.WORKER_EVENTS
task_send_sent_event = False
worker_cancel_long_running_tasks_on_connection_loss = False
worker_proc_alive_timeout = 30
worker_consumer = "auteur.consumer:Consumer"

if settings.BROKER_IS_AMQP:
    broker_heartbeat = 20  # seconds
    broker_transport_options: dict[str, object] = {
        "confirm_publish": True,
        "read_timeout": 5,
        "write_timeout": 5,
        "max_retries": 0,  # of a publication's connection
    }
    # Once, at once: a connection kept from before the broker's restart is noticed by failing.
    task_publish_retry = True
    task_publish_retry_policy = {
        "max_retries": 1,
        "interval_start": 0,
        "interval_step": 0,
        "interval_max": 0,
    }
    task_default_queue_type = task_create_missing_queue_type = "quorum"
    # A transient queue is refused from RabbitMQ 4.3 on, and an exclusive one may still be its dead
    # owner's: these are durable, and go when nobody has used them for a while.
    control_queue_durable = event_queue_durable = True
    control_queue_exclusive = event_queue_exclusive = False
else:
    broker_transport_options = {
        "socket_timeout": 5,
        "socket_connect_timeout": 5,
        "socket_keepalive": True,
        "health_check_interval": 10,
        "queue_order_strategy": "round_robin",
        "max_retries": 0,  # of a publication's connection: else each one waits 5 s for a Redis away
    }
    task_publish_retry = False
    task_queues = [Queue("default")]

# Celery would close the database connection around every task; `jobs.tasks` closes broken ones.
CELERY_DB_REUSE_MAX = 1_000_000_000
