"""Settings by GPU class: what they cannot mean stops the start, and says why."""

import os
import subprocess
import sys

import pytest

from auteur.devstack.processes import BASE_DIR

SHOW = """
import django; django.setup()
from django.conf import settings
print(settings.LOCAL_GPU_LIMITS, settings.GPU_PRICES)
"""


def start(**variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", SHOW],
        cwd=BASE_DIR,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "auteur.settings", **variables},
        capture_output=True,
        text=True,
        check=False,
    )


def test_limits_and_prices_are_read_by_class():
    done = start(LOCAL_GPU_LIMITS="L4=2,A100-80GB=1", GPU_PRICES="A10G=0.0002")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "{'L4': 2, 'A100-80GB': 1} {'A10G': 0.0002}"


@pytest.mark.parametrize(
    ("variable", "value", "why"),
    [
        (
            "LOCAL_GPU_LIMITS",
            "V100=1",
            "LOCAL_GPU_LIMITS names V100: use B200, H200, H100, A100-80GB, A100-40GB, L40S, "
            "A10G, L4, T4, CPU.",
        ),
        ("GPU_PRICES", "l4=1", "GPU_PRICES names l4"),
        ("MAX_IN_FLIGHT", "-1", "MAX_IN_FLIGHT must not be below 0."),
        ("MAX_IN_FLIGHT_BY_PLAN", "pro=-1", "MAX_IN_FLIGHT_BY_PLAN has a value below 0."),
        ("MAX_IN_FLIGHT_BY_PLAN", "pro=all", "MAX_IN_FLIGHT_BY_PLAN has a value that is no number"),
        ("LOCAL_GPU_LIMITS", "L4=-1", "LOCAL_GPU_LIMITS has a value below 0."),
        ("GPU_PRICES", "L4=-0.1", "GPU_PRICES has a value below 0."),
        ("LOCAL_GPU_LIMITS", "L4=1.5", "LOCAL_GPU_LIMITS has a value that is no number"),
        ("GPU_PRICES", "L4=dear", "GPU_PRICES has a value that is no number"),
        ("STORAGE_QUOTA_BYTES", "-1", "STORAGE_QUOTA_BYTES must not be below 0."),
        ("STORAGE_QUOTA_BYTES_BY_PLAN", "pro=1TB", "STORAGE_QUOTA_BYTES_BY_PLAN has a value that"),
        ("LOCAL_GPU_ENGINES", "0", "LOCAL_GPU_ENGINES must be at least 1."),
        ("FEATURES_DISABLED", "tts,lip-sync", "FEATURES_DISABLED names lip-sync: use audio_"),
        ("FEATURE_GPUS", "mime=L4", "FEATURE_GPUS names mime: use audio_generation, "),
        ("FEATURE_PRICES", "tts.price=1", "FEATURE_PRICES names tts.price: use tts.base, "),
    ],
)
def test_what_they_cannot_mean_stops_the_start(variable: str, value: str, why: str):
    done = start(**{variable: value})
    assert done.returncode != 0
    assert f"ImproperlyConfigured: {why}" in done.stderr
