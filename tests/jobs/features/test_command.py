"""`manage.py features` says what is declared and what is set."""

import io
import json

from django.core.management import call_command

from jobs.features.registry import features


def told(*arguments: str) -> str:
    out = io.StringIO()
    call_command("features", *arguments, stdout=out)
    return out.getvalue()


def test_every_feature_has_its_line(settings):
    settings.INFERENCE_ENGINES = {"transcription": "production"}
    lines = {line.split()[0]: line for line in told().splitlines()}
    assert set(lines) == {feature.slug for feature in features().values()}
    assert (
        "production on local, A10G, 600 s; credits 1, per_started_ms 120000"
        in (lines["transcription"])
    )
    assert "draft on local, CPU" in lines["stills"]


def test_programs_get_examples_to_try_them_with():
    by_slug = {load["slug"]: load for load in json.loads(told("--json"))}
    assert by_slug["stills"]["example"] == {"video_media_id": "interview.mp4", "count": 2}
    assert by_slug["stills"]["tariff"] == {"credits": 3}
