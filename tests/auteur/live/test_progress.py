"""Progress: the newest value, not too often, and nothing after the end."""

import json
import time

from accounts.models import User
from jobs.models import Job
from jobs.progress import PROGRESS_CHANNEL
from tests.auteur.live.conftest import Stores
from tests.auteur.live.running import Live, Message, end, progress, say


def test_the_newest_progress_is_told_twice_a_second_at_most(
    live: Live, stores: Stores, user: User, job: Job
) -> None:
    say(job, "requested")
    with live.stream(f"/jobs/{job.pk}/events", user) as stream:
        next(stream), next(stream)
        began = time.monotonic()
        for percent in range(101):
            stores.channels.publish(PROGRESS_CHANNEL, json.dumps(progress(job, percent)))
            time.sleep(0.01)
        result: list[Message] = []
        while not result or result[-1].data["progress"] < 100:
            result.append(next(stream))
        assert len(result) <= 2 * (time.monotonic() - began) + 1
        assert {(item.event, item.id) for item in result} == {("job.progress", None)}
        percents = [item.data["progress"] for item in result]
        assert percents == sorted(set(percents))
        names = {"job_id", "type", "progress", "progress_fraction", "stage", "message", "eta_at"}
        assert set(result[0].data) == names
        end(job)
        assert next(stream).event == "job.cancelled"


def test_nothing_is_told_after_the_end(live: Live, stores: Stores, user: User, job: Job) -> None:
    with live.stream("/events", user) as stream:
        next(stream)
        stores.channels.publish(PROGRESS_CHANNEL, json.dumps(progress(job, 50)))
        end(job)
        result = next(stream)
        if result.event == "job.progress":  # where the end has taken its time
            result = next(stream)
        assert result.event == "job.cancelled"
        stores.channels.publish(PROGRESS_CHANNEL, json.dumps(progress(job, 60)))
        stores.channels.publish(PROGRESS_CHANNEL, b"nonsense")
        time.sleep(0.7)
        say(job, "requested")
        assert next(stream).event == "job.requested"
