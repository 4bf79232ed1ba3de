"""Run the textbook baseline: ORM ``get`` and ``save``, ``.delay()`` per step, result backend."""

import os
import uuid

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "auteur.settings")

import django

django.setup()

from celery import Celery
from django.db import connection, models, transaction

DONE = "completed"

app = Celery(
    "textbook",
    broker=os.environ.get("BENCHMARK_BROKER", "redis://localhost"),
    backend=os.environ.get("BENCHMARK_BROKER", "redis://localhost"),
)
app.conf.update(task_default_queue="benchmark-textbook", worker_prefetch_multiplier=4)


class Account(models.Model):
    """A balance, updated in Python."""

    balance = models.IntegerField()

    class Meta:
        app_label = "benchmark"


class TextbookJob(models.Model):
    """A job, saved whole at each step."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    account = models.ForeignKey(Account, on_delete=models.CASCADE)
    status = models.CharField(max_length=20, db_index=True)
    parameters = models.JSONField(default=dict)
    output = models.JSONField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        app_label = "benchmark"


class LedgerRow(models.Model):
    """The charge for a job."""

    account = models.ForeignKey(Account, on_delete=models.CASCADE)
    job = models.ForeignKey(TextbookJob, on_delete=models.CASCADE)
    amount = models.IntegerField()

    class Meta:
        app_label = "benchmark"


MODELS = (Account, TextbookJob, LedgerRow)


def make_tables() -> int:
    """Create the tables and an account; return its id."""
    with connection.schema_editor() as editor:
        for model in MODELS:
            editor.create_model(model)
    return int(Account.objects.create(balance=10_000_000).pk)


def submit(account_id: int) -> None:
    """Charge the account, store the job, and publish its first step."""
    with transaction.atomic():
        account = Account.objects.select_for_update().get(pk=account_id)
        account.balance -= 1
        account.save()
        job = TextbookJob.objects.create(account=account, status="pending")
        LedgerRow.objects.create(account=account, job=job, amount=-1)
    prepare.delay(str(job.pk))


def _move(job_id: str, status: str) -> None:
    job = TextbookJob.objects.get(pk=job_id)
    job.status = status
    job.save()


@app.task
def prepare(job_id: str) -> None:
    """Do step 1."""
    _move(job_id, "preparing")
    dispatch.delay(job_id)


@app.task
def dispatch(job_id: str) -> None:
    """Do step 2."""
    _move(job_id, "running")
    collect.delay(job_id)


@app.task
def collect(job_id: str) -> None:
    """Do step 3."""
    _move(job_id, "collecting")
    finalize.delay(job_id)


@app.task
def finalize(job_id: str) -> None:
    """Do step 4."""
    _move(job_id, DONE)


def count_completed() -> int:
    """Return the number of completed jobs."""
    return TextbookJob.objects.filter(status=DONE).count()
