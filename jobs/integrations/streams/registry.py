"""Look up and register schemas in a schema registry with Confluent's protocol."""

import json
import logging
from collections.abc import Callable
from typing import TypeVar

from confluent_kafka.schema_registry import Schema as RegisteredSchema
from confluent_kafka.schema_registry import SchemaRegistryClient, SchemaRegistryError

# The client uses one of two HTTP libraries and lets their errors pass.
from confluent_kafka.schema_registry.common._httpx_compat import httpx
from django.conf import settings

from gpu_tasks.runtime.errors import AuteurError
from jobs.integrations.streams import schemas

logger = logging.getLogger(__name__)

COMPATIBILITY = "BACKWARD"
TIMEOUT_SECONDS = 5
RETRIES = 1
"""Immediate retries. Callers that wait for the registry retry by themselves."""
MAX_REASON_CHARACTERS = 500
"""How many characters of a refusal are repeated in an error."""
MAX_ID = 2**32 - 1

Answer = TypeVar("Answer")


class RegistryError(AuteurError):
    """Raised if the registry is away or refuses. Wait and try again."""


class SchemaMissingError(RegistryError):
    """Raised if the registry answers that it has no such schema."""


class Registry:
    """A client of the registry, which caches its answers."""

    def __init__(self) -> None:
        options = {
            "url": settings.SCHEMA_REGISTRY_URL,
            "timeout": TIMEOUT_SECONDS,
            "max.retries": RETRIES,
        }
        if settings.SCHEMA_REGISTRY_API_KEY:
            login = f"{settings.SCHEMA_REGISTRY_API_KEY}:{settings.SCHEMA_REGISTRY_API_SECRET}"
            options["basic.auth.user.info"] = login
        if settings.SCHEMA_REGISTRY_CA_PATH:
            options["ssl.ca.location"] = settings.SCHEMA_REGISTRY_CA_PATH
        self._client = SchemaRegistryClient(options)

    def id_of(self, stream: str) -> int:
        """Return the id of the schema of the stream's records. Raise ``RegistryError``.

        A missing schema is registered if the settings allow it. The registry refuses a schema by
        which older records cannot be read.
        """
        subject = f"{stream}-value"
        schema = RegisteredSchema(json.dumps(schemas.build_complete_schema(stream)), "AVRO")
        try:
            schema_id = _call_registry(
                lambda: self._client.lookup_schema(subject, schema).schema_id
            )
        except SchemaMissingError as exc:
            if not settings.SCHEMA_REGISTRY_AUTO_REGISTER:
                raise SchemaMissingError(f"The schema of {subject} is not registered.") from exc
            schema_id = _call_registry(lambda: self._register_schema(subject, schema))
        if not isinstance(schema_id, int) or not 0 <= schema_id <= MAX_ID:
            raise RegistryError(f"The registry gave {subject} no id.")
        return schema_id

    def _register_schema(self, subject: str, schema: RegisteredSchema) -> int | None:
        self._client.set_compatibility(subject, COMPATIBILITY)
        schema_id = self._client.register_schema(subject, schema)
        logger.info("the schema of %s is registered: id %s", subject, schema_id)
        return schema_id

    def schema_of(self, schema_id: int) -> str:
        """Return the schema with an id, as JSON.

        Raises ``SchemaMissingError`` and ``RegistryError``.
        """
        return _call_registry(lambda: self._client.get_schema(schema_id).schema_str) or ""


def _call_registry(call: Callable[[], Answer]) -> Answer:
    try:
        return call()
    except SchemaRegistryError as exc:
        error = (
            SchemaMissingError if exc.http_status_code == httpx.codes.NOT_FOUND else RegistryError
        )
        reason = f"{exc.error_message} (HTTP {exc.http_status_code})"
        raise error(f"The registry refused: {reason[:MAX_REASON_CHARACTERS]}") from exc
    except (httpx.HTTPError, OSError) as exc:
        raise RegistryError(f"The registry is away: {type(exc).__name__}.") from exc
    except (ValueError, TypeError, KeyError, AttributeError) as exc:
        raise RegistryError("The server at SCHEMA_REGISTRY_URL is not a schema registry.") from exc
