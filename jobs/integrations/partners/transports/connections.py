"""Validate the settings by which a broker is reached. Secrets are never shown."""

import re
import ssl
from collections.abc import Mapping
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic.alias_generators import to_camel

from gpu_tasks.runtime.errors import AuteurError

MAX_BROKERS = 20
MAX_CA_CHARACTERS = 65_536
MAX_URL_CHARACTERS = 2048
ADDRESS = re.compile(r"(\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9._-]{1,253}):([0-9]{1,5})")
MAX_PORT = 65_535


class ConnectionSettingsError(AuteurError):
    """Raised if settings are not a connection. The text names the fields and has no values."""


def _check_certificates(text: str) -> str:
    if text:
        try:
            ssl.create_default_context(cadata=text)
        except (ssl.SSLError, ValueError):
            raise ValueError("it must contain certificates in PEM format") from None
    return text


def _check_address(text: str) -> str:
    match = ADDRESS.fullmatch(text)
    if not match or not 0 < int(match[2]) <= MAX_PORT:
        raise ValueError("it must be host:port")
    return text


def _check_redis_url(url: SecretStr) -> SecretStr:
    """Return the URL if it is valid.

    Errors are raised ``from None``, because urllib's messages have parts of the URL.
    """
    try:
        parts = urlsplit(url.get_secret_value())
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise ValueError("it is not a URL") from None
    if parts.scheme not in ("redis", "rediss") or not host or len(url) > MAX_URL_CHARACTERS:
        raise ValueError("it must be redis:// or rediss://, with a host")
    if parts.query or parts.fragment:  # The client library would read options there.
        raise ValueError("it must have no options after a question mark")
    if not re.fullmatch(r"/?[0-9]{0,3}", parts.path):
        raise ValueError("its path must be a database number")
    return url


CertificatesText = Annotated[
    str, Field(max_length=MAX_CA_CHARACTERS), AfterValidator(_check_certificates)
]


class _Connection(BaseModel):
    """Names as a course platform writes them in its configuration, or with underscores."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        alias_generator=to_camel,
        populate_by_name=True,
        hide_input_in_errors=True,
    )

    ca: CertificatesText = ""
    """Certificates (PEM) of who signs the broker's; empty: those of this machine."""


class KafkaConnection(_Connection):
    """Kafka's."""

    brokers: list[Annotated[str, AfterValidator(_check_address)]] = Field(
        min_length=1, max_length=MAX_BROKERS
    )
    username: str = Field(default="", max_length=255)
    password: SecretStr = Field(default=SecretStr(""), max_length=1024)
    sasl_mechanism: Literal["plain", "scram-sha-256", "scram-sha-512"] = "scram-sha-256"
    ssl: bool = True
    connection_timeout: int = Field(default=10_000, ge=1000, le=60_000)
    """The timeout of connecting, in milliseconds; the next one is in milliseconds, too."""
    request_timeout: int = Field(default=30_000, ge=1000, le=120_000)

    @model_validator(mode="after")
    def _check_login(self) -> "KafkaConnection":
        if bool(self.username) != bool(self.password):
            raise ValueError("username and password belong together")
        return self


class RedisConnection(_Connection):
    """Redis': ``redis://`` or, with TLS, ``rediss://``."""

    url: Annotated[SecretStr, AfterValidator(_check_redis_url)]


Connection = KafkaConnection | RedisConnection
KINDS: Mapping[str, type[Connection]] = {
    "kafka": KafkaConnection,
    "redis": RedisConnection,
}


def parse_connection(transport: str, values: Mapping[str, object]) -> Connection:
    """Validate the settings of a connection. Raise ``ConnectionSettingsError``."""
    if transport not in KINDS:
        raise ConnectionSettingsError(f"Unknown transport: use one of {', '.join(KINDS)}.")
    try:
        return KINDS[transport].model_validate(values)
    except ValidationError as exc:
        errors = exc.errors(include_input=False, include_context=False, include_url=False)
        raise ConnectionSettingsError("; ".join(map(_describe_error, errors))) from None


def _describe_error(error: Mapping[str, object]) -> str:
    location = error["loc"]
    # An unknown name may be a secret in the wrong place.
    is_known_field = error["type"] != "extra_forbidden" and isinstance(location, tuple)
    field_path = (
        ".".join(map(str, location)) if is_known_field and isinstance(location, tuple) else ""
    )
    reason = str(error["msg"]).removeprefix("Value error, ")
    return f"{field_path}: {reason}" if field_path else reason
