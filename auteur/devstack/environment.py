"""``var/stack.env``: addresses and secrets of the embedded stack, as ``settings.py`` reads them.

Secrets are created once and kept between runs. Addresses follow the ports of the current run.
"""

import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from auteur.devstack.errors import StackError
from auteur.devstack.ports import HOST, Ports
from media.provenance import certificates

FILE_NAME = "stack.env"
SECRET_BYTES = 48
# ``settings.py`` reads the passwords of the stores from their URLs.
SECRETS = (
    "DJANGO_SECRET_KEY",
    "STORAGE_SIGNING_KEY",
    "SUPABASE_JWT_SECRET",
    "GPU_CALLBACK_SECRET",
    "POSTGRES_PASSWORD",
    "POSTGRES_APPLICATION_PASSWORD",
    "REDIS_PASSWORD",
    "RABBITMQ_PASSWORD",
)
POSTGRES_USER = "auteur"  # This role owns the tables.
POSTGRES_APPLICATION_USER = "auteur_app"  # `migrate` creates this role.
POSTGRES_DATABASE = "auteur"
RABBITMQ_USER = "auteur"
BROKERS = ("redis", "amqp")


def write_environment(var: Path, ports: Ports, broker: str | None = None) -> dict[str, str]:
    """Write ``stack.env`` for this run and return its values.

    With the ``broker`` ``amqp``, Celery's messages go through RabbitMQ, else through Redis.
    """
    if broker and broker not in BROKERS:
        raise StackError(f"BROKER is {broker!r}: use {' or '.join(BROKERS)}.")
    path = var / FILE_NAME
    stored = read_environment(path) if path.exists() else {}
    values = {name: stored.get(name) or secrets.token_urlsafe(SECRET_BYTES) for name in SECRETS}
    values |= _build_addresses(var, ports, values) | _create_certificate(var)
    if broker == "amqp":
        account = f"{RABBITMQ_USER}:{values['RABBITMQ_PASSWORD']}"
        values["CELERY_BROKER_URL"] = f"amqp://{account}@{HOST}:{ports.rabbitmq}//"
    lines = [f"{name}={value}\n" for name, value in values.items()]
    write_private(path, "# Written at each start of the embedded stack.\n" + "".join(lines))
    return values


def _build_addresses(var: Path, ports: Ports, secrets_by_name: Mapping[str, str]) -> dict[str, str]:
    public_url = f"http://{HOST}:{ports.api}"
    postgres = f"{HOST}:{ports.postgres}/{POSTGRES_DATABASE}"
    owner = f"{POSTGRES_USER}:{secrets_by_name['POSTGRES_PASSWORD']}"
    application = f"{POSTGRES_APPLICATION_USER}:{secrets_by_name['POSTGRES_APPLICATION_PASSWORD']}"
    return {
        "DATABASE_URL": f"postgres://{application}@{postgres}",
        "MIGRATION_DATABASE_URL": f"postgres://{owner}@{postgres}",
        "REDIS_URL": f"redis://:{secrets_by_name['REDIS_PASSWORD']}@{HOST}:{ports.redis}/0",
        "MONGODB_URI": f"mongodb://{HOST}:{ports.mongodb}",
        "PUBLIC_URL": public_url,
        "LIVE_URL": f"http://{HOST}:{ports.live}",
        "SUPABASE_JWT_ISSUER": f"{public_url}/auth/v1",
        "DEVELOPMENT_SIGN_IN": "true",
        "STORAGE_DIR": str(var / "objects"),
        "API_PORT": str(ports.api),
        "LIVE_PORT": str(ports.live),
        "METRICS_PORT": str(ports.metrics),
        "FLOWER_PORT": str(ports.flower),
        "FLOWER_HISTORY": str(var / "flower"),
        "STAFF_SECOND_FACTOR": "false",
        # Receivers of webhooks on the developer's own machine.
        "WEBHOOK_HTTP": "true",
        "WEBHOOK_PORTS": "1-65535",
        "WEBHOOK_ALLOWED_NETWORKS": "127.0.0.0/8,::1/128",
        "IMPORT_PORTS": "1-65535",
        "IMPORT_ALLOWED_NETWORKS": "127.0.0.0/8,::1/128",
    }


def _create_certificate(var: Path) -> dict[str, str]:
    """Create the development certificate that signs content credentials, if there is none.

    Return the variables with its paths.
    """
    certificate, key = var / "c2pa-certificate.pem", var / "c2pa-private-key.pem"
    if not (certificate.exists() and key.exists()):
        chain, private = certificates.create_development_certificate()
        write_private(key, private)
        write_private(certificate, chain)
    return {"C2PA_CERTIFICATE_PATH": str(certificate), "C2PA_PRIVATE_KEY_FILE": str(key)}


def read_environment(path: Path) -> dict[str, str]:
    """Return the ``NAME=value`` lines of a file."""
    pairs = (line.partition("=") for line in path.read_text().splitlines())
    return {
        name: value for name, separator, value in pairs if separator and not name.startswith("#")
    }


def build_child_environment(
    values: Mapping[str, str], environ: Mapping[str, str]
) -> dict[str, str]:
    """Return the environment of the stack's processes: ours, overridden by ``values``.

    A ``NAME_FILE`` of one of them would take precedence, so it is dropped.
    """
    overridden = {f"{name}_FILE" for name in values}
    inherited = {name: value for name, value in environ.items() if name not in overridden}
    return inherited | dict(values) | {"PYTHONUNBUFFERED": "1"}


def write_private(path: Path, text: str) -> None:
    """Replace ``path`` atomically. Only its owner can read it, at any moment."""
    draft = path.with_name(path.name + ".new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    draft.replace(path)


def get_staff_password(var: Path) -> str:
    """Return the password of the staff account of `make run`. Create it if there is none."""
    path = var / "staff-password"
    if not path.exists():
        write_private(path, secrets.token_urlsafe(12) + "\n")
    return path.read_text().strip()
