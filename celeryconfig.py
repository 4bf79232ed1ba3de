"""All options of Celery.

Postgres is the truth and a message is only a wake-up, so messages are acknowledged early, never
redelivered and never retried by Celery: the orchestrator alone decides (docs/decisions/0002).
"""

from django.conf import settings
from kombu import Queue

broker_url = settings.REDIS_URL
broker_use_ssl = settings.REDIS_TLS or False  # Flower reads it here, the others in the URL
broker_connection_retry_on_startup = True
broker_connection_max_retries = None
broker_transport_options = {
    "socket_timeout": 5,
    "socket_connect_timeout": 5,
    "socket_keepalive": True,
    "health_check_interval": 10,
    "queue_order_strategy": "round_robin",
    "max_retries": 0,  # of a publication's connection: else each one waits 5 s for a Redis away
}

task_serializer = "json"
accept_content = ["json"]
task_ignore_result = True
task_store_errors_even_if_ignored = False
task_acks_late = False
task_publish_retry = False
task_create_missing_queues = True
task_default_queue = "default"
task_queues = [Queue("default")]

worker_prefetch_multiplier = 1
worker_hijack_root_logger = False
worker_send_task_events = settings.WORKER_EVENTS
task_send_sent_event = False
worker_cancel_long_running_tasks_on_connection_loss = False
worker_proc_alive_timeout = 30

# Celery would close the database connection around every task; `jobs.tasks` closes broken ones.
CELERY_DB_REUSE_MAX = 1_000_000_000
