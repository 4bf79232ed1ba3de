"""Settings by GPU class: what they cannot mean stops the start, and says why."""

import os
import subprocess
import sys

import pytest
from django.core.exceptions import ImproperlyConfigured

from auteur.devstack.processes import BASE_DIR
from tests.settings import read_settings


def test_limits_and_prices_are_read_by_class():
    read = read_settings(LOCAL_GPU_LIMITS="L4=2,A100-80GB=1", GPU_PRICES="A10G=0.0002")
    assert read["LOCAL_GPU_LIMITS"] == {"L4": 2, "A100-80GB": 1}
    assert read["GPU_PRICES"] == {"A10G": 0.0002}


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
    ],
)
def test_what_they_cannot_mean_stops_the_start(variable: str, value: str, why: str):
    with pytest.raises(ImproperlyConfigured) as stopped:
        read_settings(**{variable: value})
    assert str(stopped.value).startswith(why)


@pytest.mark.parametrize(
    ("variable", "value", "why"),
    [
        ("MAX_IN_FLIGHT", "-1", "MAX_IN_FLIGHT must not be below 0."),
        (
            "FEATURE_PRICES",
            "tts.price=1",
            "FEATURE_PRICES has the unknown number tts.price: use tts.base, ",
        ),
    ],
)
def test_no_process_starts_with_them(variable: str, value: str, why: str):
    done = subprocess.run(
        [sys.executable, "-c", "import django; django.setup()"],
        cwd=BASE_DIR,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "auteur.settings", variable: value},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert f"ImproperlyConfigured: {why}" in done.stderr
