"""``var/stack.env``: addresses and secrets of the embedded stack, as ``settings.py`` reads them.

Secrets are made once and kept between runs; addresses follow the ports of the present run.
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
# Passwords of the stores come to ``settings.py`` inside their URLs.
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
POSTGRES_USER = "auteur"  # owns the tables
POSTGRES_APPLICATION_USER = "auteur_app"  # made by `migrate`
POSTGRES_DATABASE = "auteur"
RABBITMQ_USER = "auteur"
BROKERS = ("redis", "amqp")


def prepare(var: Path, ports: Ports, broker: str | None = None) -> dict[str, str]:
    """Write ``stack.env`` for this run and return what it says.

    With the ``broker`` ``amqp`` Celery's messages go through RabbitMQ, else through Redis.
    """
    if broker and broker not in BROKERS:
        raise StackError(f"BROKER is {broker!r}: use {' or '.join(BROKERS)}.")
    path = var / FILE_NAME
    earlier = read(path) if path.exists() else {}
    values = {name: earlier.get(name) or secrets.token_urlsafe(SECRET_BYTES) for name in SECRETS}
    values |= _addresses(var, ports, values) | _signer(var)
    if broker == "amqp":
        account = f"{RABBITMQ_USER}:{values['RABBITMQ_PASSWORD']}"
        values["CELERY_BROKER_URL"] = f"amqp://{account}@{HOST}:{ports.rabbitmq}//"
    lines = [f"{name}={value}\n" for name, value in values.items()]
    write_private(path, "# Written at each start of the embedded stack.\n" + "".join(lines))
    return values


def _addresses(var: Path, ports: Ports, secret: Mapping[str, str]) -> dict[str, str]:
    public_url = f"http://{HOST}:{ports.api}"
    postgres = f"{HOST}:{ports.postgres}/{POSTGRES_DATABASE}"
    owner = f"{POSTGRES_USER}:{secret['POSTGRES_PASSWORD']}"
    application = f"{POSTGRES_APPLICATION_USER}:{secret['POSTGRES_APPLICATION_PASSWORD']}"
    return {
        "DATABASE_URL": f"postgres://{application}@{postgres}",
        "MIGRATION_DATABASE_URL": f"postgres://{owner}@{postgres}",
        "REDIS_URL": f"redis://:{secret['REDIS_PASSWORD']}@{HOST}:{ports.redis}/0",
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


def _signer(var: Path) -> dict[str, str]:
    """A certificate for development, which signs content credentials; made once."""
    certificate, key = var / "c2pa-certificate.pem", var / "c2pa-private-key.pem"
    if not (certificate.exists() and key.exists()):
        chain, private = certificates.make_development()
        write_private(key, private)
        write_private(certificate, chain)
    return {"C2PA_CERTIFICATE_PATH": str(certificate), "C2PA_PRIVATE_KEY_FILE": str(key)}


def read(path: Path) -> dict[str, str]:
    """The ``NAME=value`` lines of a file."""
    pairs = (line.partition("=") for line in path.read_text().splitlines())
    return {
        name: value for name, separator, value in pairs if separator and not name.startswith("#")
    }


def of_children(values: Mapping[str, str], environ: Mapping[str, str]) -> dict[str, str]:
    """The environment of the stack's processes: ours with ``values``, which win.

    A ``NAME_FILE`` beside one of them would win in turn, so it is dropped.
    """
    own = {f"{name}_FILE" for name in values}
    inherited = {name: value for name, value in environ.items() if name not in own}
    return inherited | dict(values) | {"PYTHONUNBUFFERED": "1"}


def write_private(path: Path, text: str) -> None:
    """Replace ``path`` in one step; only its owner can read it, at any moment."""
    draft = path.with_name(path.name + ".new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    draft.replace(path)


def staff_password(var: Path) -> str:
    """The password of the staff account of `make run`, made once."""
    path = var / "staff-password"
    if not path.exists():
        write_private(path, secrets.token_urlsafe(12) + "\n")
    return path.read_text().strip()
