"""Settings of a deployment: what cannot work stops the start, and says why."""

import os
import subprocess
import sys

import pytest

from auteur.devstack.processes import BASE_DIR


@pytest.mark.parametrize(
    ("variable", "value", "why"),
    [
        ("REDIS_URL", "http://localhost:6379", "REDIS_URL must begin with redis:// or rediss://."),
        ("REDIS_CA_PATH", "/nowhere", "REDIS_CA_PATH names no file."),
        ("FLOWER_LOGIN", "auteur:short", "FLOWER_LOGIN must be name:password"),
        (
            "DATABASE_URL",
            "postgres://u@localhost/d?connect_timeout=0",
            "DATABASE_URL: connect_timeout must be from 1 to 30.",
        ),
        (
            "DATABASE_URL",
            "postgres://u@localhost/d?tcp_user_timeout=900000",
            "DATABASE_URL: tcp_user_timeout must be from 1 to 60000.",
        ),
        ("SCHEMA_REGISTRY_URL", "registry:8081", "SCHEMA_REGISTRY_URL must begin with https://"),
        ("SCHEMA_REGISTRY_URL", "https://me:it@here", "SCHEMA_REGISTRY_URL: its login is"),
        ("SCHEMA_REGISTRY_API_KEY", "me", "SCHEMA_REGISTRY_API_KEY and SCHEMA_REGISTRY_API_SECRET"),
        ("SCHEMA_REGISTRY_CA_PATH", "/nowhere", "SCHEMA_REGISTRY_CA_PATH names no file."),
        ("WEBHOOK_PORTS", "443,https", "WEBHOOK_PORTS must be like 443,8000-8999."),
        ("WEBHOOK_PORTS", "0", "WEBHOOK_PORTS must have ports from 1 to 65535."),
        ("WEBHOOK_PORTS", "9000-8000", "WEBHOOK_PORTS must have ports from 1 to 65535."),
        ("WEBHOOK_ALLOWED_NETWORKS", "10.0.0.1/8", "WEBHOOK_ALLOWED_NETWORKS must be like"),
        ("WEBHOOK_REFUSED_NETWORKS", "ours", "WEBHOOK_REFUSED_NETWORKS must be like"),
        (
            "DJANGO_SECRET_KEY_FALLBACKS",
            "short",
            "DJANGO_SECRET_KEY_FALLBACKS must have at least 32 characters.",
        ),
        ("FLOWER_LOGIN", "no-password-at-all", "FLOWER_LOGIN must be name:password"),
    ],
)
def test_what_cannot_work_stops_the_start(variable: str, value: str, why: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import auteur.settings"],
        cwd=BASE_DIR,
        env={**os.environ, variable: value},
        capture_output=True,
        text=True,
        check=False,
    )
    assert f"ImproperlyConfigured: {why}" in done.stderr
