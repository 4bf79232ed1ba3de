"""Settings of a deployment: what cannot work stops the start, and says why."""

import re

import pytest
from django.core.exceptions import ImproperlyConfigured

from tests.deploy.files import text
from tests.settings import read_settings

SECRETS = ("DJANGO_SECRET_KEY", "GPU_CALLBACK_SECRET", "STORAGE_SIGNING_KEY", "SUPABASE_JWT_SECRET")
"""The secrets that an operator chooses."""


def test_a_space_after_a_comma_is_part_of_no_key():
    first, second = "a" * 32, "b" * 32
    variables = [f"{name}_FALLBACKS" for name in SECRETS]
    read = read_settings(**dict.fromkeys(variables, f"{first}, {second} ,"))
    for keys in (
        read["SECRET_KEY_FALLBACKS"],
        read["_OBJECT_STORAGE"]["OPTIONS"]["signing_key_fallbacks"],
        read["SUPABASE_JWT_SECRET_FALLBACKS"],
        read["GPU_CALLBACK_SECRET_FALLBACKS"],
    ):
        assert keys == [first, second]


@pytest.mark.parametrize(
    ("variable", "value", "why"),
    [
        ("REDIS_URL", "http://localhost:6379", "REDIS_URL must begin with redis:// or rediss://."),
        ("REDIS_CA_PATH", "/nowhere", "REDIS_CA_PATH is '/nowhere': there is no such file."),
        (
            "CELERY_BROKER_URL",
            "kafka://localhost:9092",
            "CELERY_BROKER_URL must begin with amqp://, amqps://, redis:// or rediss://.",
        ),
        ("CELERY_BROKER_URL", "amqp://", "CELERY_BROKER_URL must name one host"),
        ("CELERY_BROKER_URL", "amqp://a/;amqp://b/", "CELERY_BROKER_URL must name one host"),
        ("CELERY_BROKER_URL", "amqp://a/?heartbeat=0", "CELERY_BROKER_URL must name one host"),
        ("CELERY_BROKER_URL", "amqp://a:port/", "CELERY_BROKER_URL must name one host"),
        (
            "CELERY_BROKER_CA_PATH",
            "/nowhere",
            "CELERY_BROKER_CA_PATH is '/nowhere': there is no such file.",
        ),
        ("MIGRATION_LOCK_TIMEOUT_MS", "99", "MIGRATION_LOCK_TIMEOUT_MS must be from 100 to 10000."),
        ("MIGRATION_LOCK_TIMEOUT_MS", "10001", "MIGRATION_LOCK_TIMEOUT_MS must be from 100 to"),
        ("GPU_LIMITS", "L4=0", "GPU_LIMITS sets L4 to 0: use a whole number from 1 to 10000."),
        ("GPU_LIMITS", "V100=1", "GPU_LIMITS names V100: use B200, H200"),
        ("CPU_LIMIT", "-1", "CPU_LIMIT must not be below 0."),
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
        ("SCHEMA_REGISTRY_URL", "https://me:it@here", "SCHEMA_REGISTRY_URL must have no login"),
        ("SCHEMA_REGISTRY_API_KEY", "me", "Set both SCHEMA_REGISTRY_API_KEY and"),
        (
            "SCHEMA_REGISTRY_CA_PATH",
            "/nowhere",
            "SCHEMA_REGISTRY_CA_PATH is '/nowhere': there is no such file.",
        ),
        ("WEBHOOK_PORTS", "443,https", "WEBHOOK_PORTS must be like 443,8000-8999."),
        ("WEBHOOK_PORTS", "0", "WEBHOOK_PORTS must have ports from 1 to 65535."),
        ("WEBHOOK_PORTS", "9000-8000", "WEBHOOK_PORTS must have ports from 1 to 65535."),
        ("WEBHOOK_ALLOWED_NETWORKS", "10.0.0.1/8", "WEBHOOK_ALLOWED_NETWORKS must be like"),
        ("IMPORT_PORTS", "http", "IMPORT_PORTS must be like"),
        ("IMPORT_ALLOWED_NETWORKS", "ours", "IMPORT_ALLOWED_NETWORKS must be like"),
        ("IMPORT_LIMIT", "0", "IMPORT_LIMIT must be at least 1."),
        ("SANDBOX_MEMORY_MIB", "api=223", "SANDBOX_MEMORY_MIB: api needs at least 224."),
        (
            "SANDBOX_MEMORY_MIB",
            "gpu=500",
            "SANDBOX_MEMORY_MIB names gpu: use api, steps, media, cpu.",
        ),
        ("API_PROCESSES", "0", "API_PROCESSES must be at least 1."),
        ("MAX_BUFFERED_BODY_BYTES", "4294967295", "MAX_BUFFERED_BODY_BYTES must be at least"),
        ("EXPORT_LIMIT", "0", "EXPORT_LIMIT must be at least 1."),
        ("EXPORT_DAYS", "91", "EXPORT_DAYS must be between 1 and 90."),
        ("ACCOUNT_CLOSING_DAYS", "366", "ACCOUNT_CLOSING_DAYS must be between 0 and 365."),
        ("RETENTION_PROMPTS_DAYS", "-1", "RETENTION_PROMPTS_DAYS must be between 0 and 3650."),
        ("RETENTION_PAYLOADS_DAYS", "14", "RETENTION_PAYLOADS_DAYS must be 0, or at least 15."),
        ("ATTEMPTS_KEPT_DAYS", "14", "ATTEMPTS_KEPT_DAYS must be 0, or at least 15."),
        ("ADMIN_LOG_KEPT_DAYS", "364", "ADMIN_LOG_KEPT_DAYS must be 0, or at least 365."),
        ("API_KEYS_KEPT_DAYS", "3651", "API_KEYS_KEPT_DAYS must be between 0 and 3650."),
        ("EVENTS_SYNCHRONOUS_COMMIT", "off", "EVENTS_SYNCHRONOUS_COMMIT is 'off': use one of"),
        ("C2PA_MAX_BYTES", "2684354561", "C2PA_MAX_BYTES must be between 1 and 2684354560."),
        ("MAX_OPEN_IMPORTS", "0", "MAX_OPEN_IMPORTS must be at least 1."),
        ("WEBHOOK_REFUSED_NETWORKS", "ours", "WEBHOOK_REFUSED_NETWORKS must be like"),
        *(
            (name, value, f"{name} must have at least 32 characters.")
            for name in SECRETS
            for value in ("secret", "s" * 31)
        ),
        *(
            (f"{name}_FALLBACKS", value, f"{name}_FALLBACKS must have at least 32 characters.")
            for name in SECRETS
            for value in ("short", f"{'s' * 32},{'s' * 31}")
        ),
        ("CAPTIONS_BUCKET", "captions", "CAPTIONS_BUCKET and S3_PUBLIC_BASE_URL need"),
        ("STREAMS_SINK", "rabbit", "STREAMS_SINK is 'rabbit': use redis, kafka or none."),
        ("STREAMS_SINK", "kafka", "STREAMS_SINK=kafka needs KAFKA_BROKERS=host:port"),
        ("STREAMS_REDIS_URL", "localhost", "STREAMS_REDIS_URL must begin with redis://"),
        ("STREAMS_REDIS_LENGTH", "0", "STREAMS_REDIS_LENGTH must be at least 1."),
        ("KAFKA_BROKERS", "kafka:9092,kafka", "KAFKA_BROKERS has 'kafka'"),
        ("KAFKA_CA_PATH", "/nowhere", "KAFKA_CA_PATH is '/nowhere': there is no such file."),
        ("KAFKA_SASL_MECHANISM", "gssapi", "KAFKA_SASL_MECHANISM is 'gssapi': use plain"),
        ("KAFKA_USERNAME", "auteur", "Set both KAFKA_USERNAME and KAFKA_PASSWORD, or neither."),
        ("KAFKA_REQUEST_TIMEOUT", "30", "KAFKA_CONNECTION_TIMEOUT and KAFKA_REQUEST_TIMEOUT"),
        ("LIVE_URL", "live.example.com", "LIVE_URL must begin with https:// or http://."),
        ("FLOWER_LOGIN", "no-password-at-all", "FLOWER_LOGIN must be name:password"),
    ],
)
def test_what_cannot_work_stops_the_start(variable: str, value: str, why: str) -> None:
    with pytest.raises(ImproperlyConfigured) as stopped:
        read_settings(**{variable: value})
    assert str(stopped.value).startswith(why)


def test_every_secret_with_fallbacks_is_checked() -> None:
    """Find the secrets by the settings that have fallbacks, which only our own have."""
    names = re.findall(r'env\.read_secrets\(\s*"(\w+)_FALLBACKS"', text("auteur/settings.py"))
    checked = re.findall(r'env\.read_secret\("(\w+)"', text("auteur/settings.py"))
    assert sorted(names) == sorted(checked) == sorted(SECRETS)


def test_signing_in_by_an_address_is_for_ones_own_machine() -> None:
    on = {"DEVELOPMENT_SIGN_IN": "true"}
    for elsewhere in ("https://auteur.example.com", "http://10.0.0.1:8000", "http://127.0.0.1.x"):
        with pytest.raises(ImproperlyConfigured, match="is only for development"):
            read_settings(**on, PUBLIC_URL=elsewhere)
    assert read_settings(**on, PUBLIC_URL="http://localhost:8000")["DEVELOPMENT_SIGN_IN"]
    keyless = {"SUPABASE_JWT_SECRET": "", "SUPABASE_JWKS_URL": "https://keys.example.com"}
    with pytest.raises(ImproperlyConfigured, match="DEVELOPMENT_SIGN_IN needs SUPABASE_JWT_SECRET"):
        read_settings(**on, **keyless, PUBLIC_URL="http://[::1]")
