"""The orchestrator of `make run`, or, while the suite says so, one that repairs nothing.

``python -m tests.chaos.orchestrator``: the negative control. A suite that finds no loss without the
repair would find none with it.
"""

import os
import sys
import time
from pathlib import Path

import django

FORGETFUL = "CHAOS_FORGETFUL_FILE"
"""Names a file; while it exists, the forgetful one runs."""
ROUND_SECONDS = 0.1


def main() -> None:
    """Be one of the two."""
    if not Path(os.environ[FORGETFUL]).exists():
        command = [sys.executable, "manage.py", "orchestrate"]
        os.execv(sys.executable, command)  # noqa: S606 - it takes this process's place
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "auteur.settings")
    django.setup()
    print("orchestrator started", flush=True)  # noqa: T201 - as the supervisor expects it
    while True:
        publish_once()
        time.sleep(ROUND_SECONDS)


def publish_once() -> None:
    """Publish what has never been, and look at nothing again."""
    from django.db import transaction
    from django.db.models import F

    from gpu_tasks.runtime.errors import ErrorCode
    from jobs import lifecycle
    from jobs.errors import JobError
    from jobs.models import Attempt
    from jobs.orchestrator.admission import admit_all
    from jobs.publishing import WakeUp, publish
    from jobs.states import OPEN, AttemptState

    admit_all()
    with transaction.atomic():
        new = list(
            Attempt.objects.select_related("job")
            .select_for_update(no_key=True, of=("self",))
            .filter(
                job__attempt_id=F("pk"),
                job__status__in=OPEN,
                publish_count=0,
                state__in=[AttemptState.QUEUED, AttemptState.REPORTED, AttemptState.ERRORED],
            )
        )
        Attempt.objects.filter(pk__in=[attempt.pk for attempt in new]).update(publish_count=1)
    errored = [attempt for attempt in new if attempt.state == AttemptState.ERRORED]
    for attempt in errored:
        error = JobError(ErrorCode(attempt.error_code or ""), attempt.error_message or "")
        lifecycle.fail(attempt_id=attempt.pk, error=error)
    publish([WakeUp(a.pk, AttemptState(a.state), a.job.type) for a in new if a not in errored])


if __name__ == "__main__":
    main()
