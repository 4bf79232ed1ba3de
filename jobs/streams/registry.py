"""A registry of schemas that speaks Confluent's protocol, by setting."""

import json
import logging
from collections.abc import Callable
from typing import TypeVar

from confluent_kafka.schema_registry import Schema as RegisteredSchema
from confluent_kafka.schema_registry import SchemaRegistryClient, SchemaRegistryError

# Its HTTP library is one of two, whose errors it lets pass.
from confluent_kafka.schema_registry.common._httpx_compat import httpx
from django.conf import settings

from gpu_tasks.runtime.errors import AuteurError
from jobs.streams import schemas

logger = logging.getLogger(__name__)

COMPATIBILITY = "BACKWARD"
TIMEOUT_SECONDS = 5
RETRIES = 1
"""At once; whoever waits for the registry asks again by itself."""
MAX_TOLD = 500
"""Characters of what it says when it refuses."""
MAX_ID = 2**32 - 1

Answer = TypeVar("Answer")


class RegistryError(AuteurError):
    """The registry is away, or does not take or give what we need: wait, and ask again."""


class SchemaMissingError(RegistryError):
    """The registry is there and has no such schema."""


class Registry:
    """A client of the registry, which remembers what it was told."""

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
        """The id of the schema by which the stream's records are written; ``RegistryError``.

        A schema that it lacks is registered where the settings say so, unless readers that have
        the new one could not read what is there.
        """
        subject = f"{stream}-value"
        schema = RegisteredSchema(json.dumps(schemas.whole_schema(stream)), "AVRO")
        try:
            found = _asked(lambda: self._client.lookup_schema(subject, schema).schema_id)
        except SchemaMissingError as exc:
            if not settings.SCHEMA_REGISTRY_AUTO_REGISTER:
                raise SchemaMissingError(f"The schema of {subject} is not registered.") from exc
            found = _asked(lambda: self._register(subject, schema))
        if not isinstance(found, int) or not 0 <= found <= MAX_ID:
            raise RegistryError(f"The registry gave {subject} no id.")
        return found

    def _register(self, subject: str, schema: RegisteredSchema) -> int | None:
        self._client.set_compatibility(subject, COMPATIBILITY)
        made = self._client.register_schema(subject, schema)
        logger.info("the schema of %s is registered: id %s", subject, made)
        return made

    def schema_of(self, schema_id: int) -> str:
        """The schema with an id, as JSON; ``SchemaMissingError``, ``RegistryError``."""
        return _asked(lambda: self._client.get_schema(schema_id).schema_str) or ""


def _asked(ask: Callable[[], Answer]) -> Answer:
    try:
        return ask()
    except SchemaRegistryError as exc:
        error = (
            SchemaMissingError if exc.http_status_code == httpx.codes.NOT_FOUND else RegistryError
        )
        told = f"{exc.error_message} (HTTP {exc.http_status_code})"
        raise error(f"The registry refused: {told[:MAX_TOLD]}") from exc
    except (httpx.HTTPError, OSError) as exc:
        raise RegistryError(f"The registry is away: {type(exc).__name__}.") from exc
    except (ValueError, TypeError, KeyError, AttributeError) as exc:
        raise RegistryError("What answered is no registry of schemas.") from exc
