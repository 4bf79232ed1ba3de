"""All settings, read once from the environment; a missing or malformed one stops the start.

A value may also come from a file: ``NAME_FILE=/run/secrets/name``. On a developer's machine the
embedded stack writes ``var/stack.env``, which is read when ``DATABASE_URL`` is not set.
"""

import json
import os
import re
import ssl
from collections.abc import Collection
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured
from environ.fileaware_mapping import FileAwareMapping
from limits import parse

from auteur import __version__
from auteur.core import cores
from gpu_tasks.runtime import overrides
from gpu_tasks.runtime.contract import RENTED_GPUS, GpuClass
from gpu_tasks.runtime.engine import contracts

BASE_DIR = Path(__file__).resolve().parent.parent
SECRET_MIN_LENGTH = 32
"""The least length of secrets. A shorter one could be guessed offline from one signature."""


class _Environment(FileAwareMapping):
    """The environment and the files that its ``NAME_FILE`` variables name, without outer spaces."""

    def __getitem__(self, key: str) -> str:
        return str(super().__getitem__(key)).strip()


class _Env(environ.Env):
    ENVIRON = _Environment()

    def read_secret(self, name: str, default: str | environ.NoValue = environ.Env.NOTSET) -> str:
        """Return a secret. Raise ``ImproperlyConfigured`` if it is too short."""
        value: str = self.str(name, default=default)
        if value != default:
            self._check_length(name, value)
        return value

    def read_secrets(self, name: str, default: list[str]) -> list[str]:
        """Return earlier secrets, which the variable separates by commas."""
        values = [part.strip() for part in self.list(name, default=default) if part.strip()]
        for value in values:
            self._check_length(name, value)
        return values

    def _check_length(self, name: str, value: str) -> None:
        if len(value) < SECRET_MIN_LENGTH:
            raise ImproperlyConfigured(f"{name} must have at least {SECRET_MIN_LENGTH} characters.")


env = _Env()
STACK_ENV_FILE = Path(os.environ.get("AUTEUR_ENV_FILE", BASE_DIR / "var" / "stack.env"))
if "DATABASE_URL" not in os.environ and "DATABASE_URL_FILE" not in os.environ:
    if not STACK_ENV_FILE.exists():
        raise ImproperlyConfigured(
            "DATABASE_URL is not set and there is no embedded stack yet: "
            "start one with `make run`, or set the variables named in .env.example."
        )
    env.read_env(STACK_ENV_FILE)

DEBUG = env.bool("DEBUG", default=False)
SECRET_KEY = env.read_secret("DJANGO_SECRET_KEY")
SECRET_KEY_FALLBACKS = env.read_secrets("DJANGO_SECRET_KEY_FALLBACKS", default=[])
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1"])
ROOT_URLCONF = "auteur.urls"
WSGI_APPLICATION = "auteur.wsgi.application"
APPEND_SLASH = False
USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en-us"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS = [
    "accounts.staff.config.StaffAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "corsheaders",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "auteur.core.database",
    "auteur.core.api",
    "auteur.help",
    "accounts",
    "jobs",
    "jobs.integrations",
    "projects",
    "media",
    "credits",
    "jobs.calls.backends",
]

MIDDLEWARE = [
    "auteur.core.api.request_ids.RequestId",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "auteur.core.api.browsers.ContentSecurityPolicy",
    "corsheaders.middleware.CorsMiddleware",
    "auteur.core.api.browsers.ForStaff",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "auteur.core.api.throttling.RateLimitHeaders",
    "jobs.integrations.streams.usage.CountUsage",
]
# Only the pages of the admin have this middleware, because the API's clients have no sessions.
STAFF_MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django_otp.middleware.OTPMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]

# Django's checks expect the staff middleware in MIDDLEWARE, and the folder of the built studio.
SILENCED_SYSTEM_CHECKS = [
    *("admin.E408", "admin.E409", "admin.E410", "security.W003"),
    "staticfiles.W004",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# --- Stores -----------------------------------------------------------------------------------

_DATABASE_OPTIONS = {
    "connect_timeout": 5,
    "prepare_threshold": 5,  # Uses of a statement. Behind a pooler it is never prepared.
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,  # Milliseconds, so that a silent network does not hang a worker.
}


def _build_database(url: dict[str, Any]) -> dict[str, Any]:
    """Return a database's settings. Options in the URL's query override ours, as for libpq."""
    return url | {
        "CONN_MAX_AGE": 600,
        "CONN_HEALTH_CHECKS": True,
        "DISABLE_SERVER_SIDE_CURSORS": True,  # Poolers give no session to cursors.
        "OPTIONS": _DATABASE_OPTIONS | url.get("OPTIONS", {}),
    }


DATABASES = {"default": _build_database(env.db_url("DATABASE_URL"))}
# True if the pooler keeps prepared statements, as PgBouncer can since 1.21.
POOLER_PREPARES = env.bool("POOLER_PREPARES", default=False)
# Reads that may lag use the replica (auteur/core/database/replica.py).
_REPLICA_URL = env.str("DATABASE_REPLICA_URL", default="")
if _REPLICA_URL:
    DATABASES["replica"] = _build_database(env.db_url_config(_REPLICA_URL))
    DATABASES["replica"]["TEST"] = {"MIRROR": "default"}
# The URL of the tables' owner, which only `migrate` uses, if the application has its own role.
_OWNER_URL = env.str("MIGRATION_DATABASE_URL", default="")
MIGRATION_DATABASE = _build_database(env.db_url_config(_OWNER_URL)) if _OWNER_URL else {}
# How long a statement of `migrate` waits for a lock and blocks others, before it is tried again.
MIGRATION_LOCK_TIMEOUT_MS = env.int("MIGRATION_LOCK_TIMEOUT_MS", default=2000)
MAX_MIGRATION_LOCK_TIMEOUT_MS = 10_000  # The application itself waits this long for a lock.
if not 100 <= MIGRATION_LOCK_TIMEOUT_MS <= MAX_MIGRATION_LOCK_TIMEOUT_MS:
    raise ImproperlyConfigured(
        f"MIGRATION_LOCK_TIMEOUT_MS must be from 100 to {MAX_MIGRATION_LOCK_TIMEOUT_MS}."
    )


def _get_timeout_seconds(option: str, unit: int, limit: int) -> float:
    """Return a timeout of database connections in seconds.

    ``unit`` is how many of the option's units a second has, ``limit`` the most seconds.
    """
    value = DATABASES["default"]["OPTIONS"][option]
    if not str(value).isdecimal() or not 0 < int(value) <= limit * unit:
        raise ImproperlyConfigured(f"DATABASE_URL: {option} must be from 1 to {limit * unit}.")
    return int(value) / unit


HEARTBEAT_SECONDS = 2.0  # The interval of heartbeats of a worker, and of a call that it runs.
DATABASE_CONNECT_SECONDS = _get_timeout_seconds("connect_timeout", unit=1, limit=30)
DATABASE_SILENCE_SECONDS = _get_timeout_seconds("tcp_user_timeout", unit=1000, limit=60)
# A worker that is silent for this long is considered dead. One heartbeat may hang on a dead
# connection, and the next may fail to connect. The third must be in time.
WORKER_LEASE_SECONDS = DATABASE_SILENCE_SECONDS + 2 * (HEARTBEAT_SECONDS + DATABASE_CONNECT_SECONDS)
REDIS_CA_PATH = env.str("REDIS_CA_PATH", default="")
if REDIS_CA_PATH and not Path(REDIS_CA_PATH).is_file():
    raise ImproperlyConfigured(f"REDIS_CA_PATH is {REDIS_CA_PATH!r}: there is no such file.")


def _build_redis_tls(url: str, ca_path: str) -> dict[str, Any]:
    """Return the TLS options of a Redis URL. By default, kombu would not verify the server."""
    if urlsplit(url).scheme == "redis":
        return {}
    return {"ssl_cert_reqs": "required"} | ({"ssl_ca_certs": ca_path} if ca_path else {})


def _build_redis_url(url: str, name: str = "REDIS_URL", ca_path: str = REDIS_CA_PATH) -> str:
    """Return a Redis URL with its TLS options in the query, for clients that take only a URL."""
    parts = urlsplit(url)
    if parts.scheme not in ("redis", "rediss"):
        raise ImproperlyConfigured(f"{name} must begin with redis:// or rediss://.")
    if not (tls := _build_redis_tls(url, ca_path)):
        return url
    return parts._replace(query=urlencode(dict(parse_qsl(parts.query)) | tls)).geturl()


REDIS_URL = _build_redis_url(env.str("REDIS_URL"))
# Celery's broker: the Redis of REDIS_URL (default), another Redis, or RabbitMQ.
BROKER_URL = env.str("CELERY_BROKER_URL", default="")
_BROKER_CA_PATH = env.str("CELERY_BROKER_CA_PATH", default="")
if _BROKER_CA_PATH and not Path(_BROKER_CA_PATH).is_file():
    raise ImproperlyConfigured(
        f"CELERY_BROKER_CA_PATH is {_BROKER_CA_PATH!r}: there is no such file."
    )
BROKER_IS_AMQP = urlsplit(BROKER_URL).scheme in ("amqp", "amqps")


def _build_amqp_tls(url: str, ca_path: str) -> dict[str, Any]:
    """Return the TLS options of an AMQP URL. Raise ``ImproperlyConfigured`` if it is invalid."""
    parts = urlsplit(url)
    if (
        not re.search(r"(^|@)(\[[^]]+\]|[\w.-]+)(:\d+)?$", parts.netloc)
        or parts.query
        or ";" in url
    ):
        raise ImproperlyConfigured("CELERY_BROKER_URL must name one host, and have no options.")
    if parts.scheme == "amqp":
        return {}
    tls = {"cert_reqs": ssl.CERT_REQUIRED, "server_hostname": parts.hostname}
    return tls | ({"ca_certs": ca_path} if ca_path else {})


if BROKER_IS_AMQP:
    BROKER_TLS = _build_amqp_tls(BROKER_URL, _BROKER_CA_PATH)
elif not BROKER_URL:
    BROKER_URL, BROKER_TLS = REDIS_URL, _build_redis_tls(REDIS_URL, REDIS_CA_PATH)
elif urlsplit(BROKER_URL).scheme in ("redis", "rediss"):
    BROKER_TLS = _build_redis_tls(BROKER_URL, _BROKER_CA_PATH)
    BROKER_URL = _build_redis_url(BROKER_URL, "CELERY_BROKER_URL", _BROKER_CA_PATH)
else:
    raise ImproperlyConfigured(
        "CELERY_BROKER_URL must begin with amqp://, amqps://, redis:// or rediss://."
    )
MONGODB_URI = env.str("MONGODB_URI")
MONGODB_DATABASE = env.str("MONGODB_DATABASE", default="auteur")
MONGODB_TIMEOUT_MS = env.int("MONGODB_TIMEOUT_MS", default=3000)

# --- Object storage ---------------------------------------------------------------------------

PUBLIC_URL = env.str("PUBLIC_URL").rstrip("/")
# The address at which clients reach `live`, if no proxy serves it at PUBLIC_URL.
LIVE_URL = env.str("LIVE_URL", default="").rstrip("/") or PUBLIC_URL
if urlsplit(LIVE_URL).scheme not in ("https", "http"):
    raise ImproperlyConfigured("LIVE_URL must begin with https:// or http://.")
PRESIGNED_URL_SECONDS = 15 * 60
STORAGE_BACKEND = env.str("STORAGE_BACKEND", default="filesystem")
if STORAGE_BACKEND == "filesystem":
    _OBJECT_STORAGE: dict[str, Any] = {
        "BACKEND": "media.storage.filesystem.SignedFileSystemStorage",
        "OPTIONS": {
            "location": env.str("STORAGE_DIR"),
            "base_url": f"{PUBLIC_URL}/storage/",
            "signing_key": env.read_secret("STORAGE_SIGNING_KEY"),
            "signing_key_fallbacks": env.read_secrets("STORAGE_SIGNING_KEY_FALLBACKS", default=[]),
        },
    }
elif STORAGE_BACKEND == "s3":
    _OBJECT_STORAGE = {
        "BACKEND": "media.storage.s3.PresignedS3Storage",
        "OPTIONS": {
            "bucket_name": env.str("S3_BUCKET"),
            "endpoint_url": env.str("S3_ENDPOINT_URL", default=None),
            # The endpoint in signed URLs, if clients reach the storage at another address.
            "public_endpoint_url": env.str("S3_PUBLIC_ENDPOINT_URL", default=None),
            "region_name": env.str("S3_REGION", default="auto"),
            "access_key": env.str("S3_ACCESS_KEY_ID"),
            "secret_key": env.str("S3_SECRET_ACCESS_KEY"),
            "signature_version": "s3v4",
            "addressing_style": env.str("S3_ADDRESSING_STYLE", default="path"),
            "file_overwrite": True,
            "default_acl": None,
            "querystring_auth": True,
            "querystring_expire": PRESIGNED_URL_SECONDS,
        },
    }
else:
    raise ImproperlyConfigured(f"STORAGE_BACKEND is {STORAGE_BACKEND!r}: use filesystem or s3.")
STORAGES: dict[str, Any] = {
    "default": _OBJECT_STORAGE,
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedStaticFilesStorage"},
}
# The bucket of captions for partners (docs/partners.md). By default they are in a folder.
CAPTIONS_BUCKET = env.str("CAPTIONS_BUCKET", default="")
# The address at which anybody may read objects of S3_BUCKET by their keys, such as a CDN.
S3_PUBLIC_BASE_URL = env.str("S3_PUBLIC_BASE_URL", default="").rstrip("/")
if STORAGE_BACKEND != "s3" and (CAPTIONS_BUCKET or S3_PUBLIC_BASE_URL):
    raise ImproperlyConfigured("CAPTIONS_BUCKET and S3_PUBLIC_BASE_URL need STORAGE_BACKEND=s3.")
if CAPTIONS_BUCKET:
    _captions = _OBJECT_STORAGE["OPTIONS"] | {"bucket_name": CAPTIONS_BUCKET}
    STORAGES["captions"] = _OBJECT_STORAGE | {"OPTIONS": _captions}
_public_base = urlsplit(S3_PUBLIC_BASE_URL)
if S3_PUBLIC_BASE_URL and not (
    _public_base.scheme in ("https", "http")
    and _public_base.hostname
    and not (_public_base.query or _public_base.fragment or _public_base.username)
):
    raise ImproperlyConfigured("S3_PUBLIC_BASE_URL must be like https://media.example.com.")
# The certificate that signs content credentials (decision 41). Without one, nothing is signed.
C2PA_CERTIFICATE_PATH = env.str("C2PA_CERTIFICATE_PATH", default="")
C2PA_PRIVATE_KEY = env.str("C2PA_PRIVATE_KEY", default="")
if bool(C2PA_CERTIFICATE_PATH) != bool(C2PA_PRIVATE_KEY):
    raise ImproperlyConfigured("Set both C2PA_CERTIFICATE_PATH and C2PA_PRIVATE_KEY, or neither.")
if C2PA_CERTIFICATE_PATH and not Path(C2PA_CERTIFICATE_PATH).is_file():
    raise ImproperlyConfigured(
        f"C2PA_CERTIFICATE_PATH is {C2PA_CERTIFICATE_PATH!r}: there is no such file."
    )
MAX_UPLOAD_BYTES = env.int("MAX_UPLOAD_BYTES", default=2 * 1024**3)
# Larger results are not signed, because signing takes up to 600 MB of a worker's memory.
MAX_SIGNABLE_BYTES = 5 * 1024**3 // 2  # Half a GiB less than a signing process may write.
C2PA_MAX_BYTES = env.int("C2PA_MAX_BYTES", default=min(MAX_UPLOAD_BYTES, MAX_SIGNABLE_BYTES))
if not 1 <= C2PA_MAX_BYTES <= MAX_SIGNABLE_BYTES:
    raise ImproperlyConfigured(f"C2PA_MAX_BYTES must be between 1 and {MAX_SIGNABLE_BYTES}.")
MAX_OPEN_IMPORTS = env.int("MAX_OPEN_IMPORTS", default=10)  # Open imports of one user.
# The most bytes of an upload that declares no size, which count towards the quota until it is
# confirmed.
MAX_UNSIZED_UPLOAD_BYTES = env.int("MAX_UNSIZED_UPLOAD_BYTES", default=100 * 1024**2)
MAX_OPEN_UPLOADS = env.int("MAX_OPEN_UPLOADS", default=100)  # Open uploads of one user.
for _name, _value in (
    ("MAX_UNSIZED_UPLOAD_BYTES", MAX_UNSIZED_UPLOAD_BYTES),
    ("MAX_OPEN_UPLOADS", MAX_OPEN_UPLOADS),
    ("MAX_OPEN_IMPORTS", MAX_OPEN_IMPORTS),
):
    if _value < 1:
        raise ImproperlyConfigured(f"{_name} must be at least 1.")
MAX_VOICE_SAMPLE_BYTES = env.int("MAX_VOICE_SAMPLE_BYTES", default=50 * 1024**2)
MAX_VOICES = env.int("MAX_VOICES", default=20)  # Voices of one user.
if MAX_VOICES < 0:
    raise ImproperlyConfigured("MAX_VOICES must not be below 0.")
DATA_UPLOAD_MAX_MEMORY_SIZE = env.int("MAX_BODY_BYTES", default=2 * 1024**2)

# --- The API's server (auteur/server/limits.py documents the limits) --------------------------

DEFAULT_MAX_API_PROCESSES = 4  # Each process takes memory, and connections to PostgreSQL.
API_PROCESSES = env.int(
    "API_PROCESSES", default=min(cores.count_cores(), DEFAULT_MAX_API_PROCESSES)
)
if API_PROCESSES < 1:
    raise ImproperlyConfigured("API_PROCESSES must be at least 1.")
API_SERVER = {
    "threads": env.int("API_THREADS", default=8),
    "queued": env.int("MAX_QUEUED_REQUESTS", default=512),
    "connections": env.int("MAX_CONNECTIONS", default=2000),
    "connections_per_address": env.int("MAX_CONNECTIONS_PER_ADDRESS", default=256),
    # One address has at most half of each. Files arrive here only with STORAGE_BACKEND=filesystem;
    # then the largest must fit into an address's share of one process.
    "body_bytes": env.int(
        "MAX_BUFFERED_BODY_BYTES",
        default=max(4, 2 * API_PROCESSES) * MAX_UPLOAD_BYTES
        if STORAGE_BACKEND == "filesystem"
        else 256 * 1024**2,
    ),
    "answer_bytes": env.int("MAX_BUFFERED_ANSWER_BYTES", default=128 * 1024**2),
}
if min(API_SERVER.values()) < 1:
    raise ImproperlyConfigured(f"Each limit of the API's server must be at least 1: {API_SERVER}.")
if (
    STORAGE_BACKEND == "filesystem"
    and API_SERVER["body_bytes"] // API_PROCESSES // 2 < MAX_UPLOAD_BYTES
):
    raise ImproperlyConfigured(
        f"MAX_BUFFERED_BODY_BYTES must be at least {2 * API_PROCESSES * MAX_UPLOAD_BYTES}: the"
        " largest upload has to fit into one address's half of one process's share."
    )

# --- People: Supabase tokens, staff -----------------------------------------------------------

AUTH_USER_MODEL = "accounts.User"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("MinimumLengthValidator", "CommonPasswordValidator", "NumericPasswordValidator")
]
SUPABASE_JWT_SECRET = env.read_secret("SUPABASE_JWT_SECRET", default="")
SUPABASE_JWT_SECRET_FALLBACKS = env.read_secrets("SUPABASE_JWT_SECRET_FALLBACKS", default=[])
SUPABASE_JWKS_URL = env.str("SUPABASE_JWKS_URL", default="")
SUPABASE_JWT_ISSUER = env.str("SUPABASE_JWT_ISSUER")
SUPABASE_JWT_AUDIENCE = env.str("SUPABASE_JWT_AUDIENCE", default="authenticated")
if not (SUPABASE_JWT_SECRET or SUPABASE_JWKS_URL):
    raise ImproperlyConfigured("Set SUPABASE_JWKS_URL or SUPABASE_JWT_SECRET: tokens need a key.")
# This key is public. With it, the studio signs people in at SUPABASE_JWT_ISSUER.
SUPABASE_ANON_KEY = env.str("SUPABASE_ANON_KEY", default="")
# True lets anybody sign in to the studio by email address alone, on a developer's machine.
DEVELOPMENT_SIGN_IN = env.bool("DEVELOPMENT_SIGN_IN", default=False)
LOOPBACK = ("127.0.0.1", "localhost", "::1")
if DEVELOPMENT_SIGN_IN and urlsplit(PUBLIC_URL).hostname not in LOOPBACK:
    raise ImproperlyConfigured(
        "DEVELOPMENT_SIGN_IN is only for development: PUBLIC_URL must be a loopback address."
    )
if DEVELOPMENT_SIGN_IN and not SUPABASE_JWT_SECRET:
    raise ImproperlyConfigured("DEVELOPMENT_SIGN_IN needs SUPABASE_JWT_SECRET to sign with.")
# True requires a second factor of all staff. Staff who have enrolled one always need it.
STAFF_SECOND_FACTOR = env.bool("STAFF_SECOND_FACTOR", default=True)
STAFF_IDLE_MINUTES = env.int("STAFF_IDLE_MINUTES", default=30)  # After that, they sign in again.
# How long a proof of identity is valid for actions that move money or grant rights.
STAFF_IDENTITY_MINUTES = env.int("STAFF_IDENTITY_MINUTES", default=10)
MAX_STAFF_MINUTES = 24 * 60
for _name, _value in (
    ("STAFF_IDLE_MINUTES", STAFF_IDLE_MINUTES),
    ("STAFF_IDENTITY_MINUTES", STAFF_IDENTITY_MINUTES),
):
    if not 1 <= _value <= MAX_STAFF_MINUTES:
        raise ImproperlyConfigured(f"{_name} must be from 1 to {MAX_STAFF_MINUTES}.")
SIGNUP_CREDITS = env.int("SIGNUP_CREDITS", default=0)
MAX_SIGNUP_CREDITS = 1_000_000
if not 0 <= SIGNUP_CREDITS <= MAX_SIGNUP_CREDITS:
    raise ImproperlyConfigured(f"SIGNUP_CREDITS must be between 0 and {MAX_SIGNUP_CREDITS}.")
# The credits that a member of staff may grant or revoke per day without a colleague's approval.
TWO_EYES_CREDITS = env.int("TWO_EYES_CREDITS", default=10_000)
if TWO_EYES_CREDITS < 0:
    raise ImproperlyConfigured("TWO_EYES_CREDITS must not be below 0.")
# How long refunded credits can be spent that expired while their job ran.
REFUND_GRACE_DAYS = env.int("REFUND_GRACE_DAYS", default=30)
MAX_REFUND_GRACE_DAYS = 3650
if not 1 <= REFUND_GRACE_DAYS <= MAX_REFUND_GRACE_DAYS:
    raise ImproperlyConfigured(f"REFUND_GRACE_DAYS must be between 1 and {MAX_REFUND_GRACE_DAYS}.")

LOGIN_REDIRECT_URL = "admin:index"
"""The page to which staff are redirected whose ``next`` is not an address of ours."""

# --- REST -------------------------------------------------------------------------------------

RATE_LIMIT = env.str("RATE_LIMIT", default="100/minute")
LOGIN_RATE_LIMIT = env.str("LOGIN_RATE_LIMIT", default="10/15 minutes")
# Wrong passwords of an account, from addresses from which it was not used before.
LOGIN_ACCOUNT_RATE_LIMIT = env.str("LOGIN_ACCOUNT_RATE_LIMIT", default="100/day")
# Wrong codes of an account: from one address, and from all from which it was not used before.
SECOND_FACTOR_RATE_LIMIT = env.str("SECOND_FACTOR_RATE_LIMIT", default="5/15 minutes")
SECOND_FACTOR_ACCOUNT_RATE_LIMIT = env.str("SECOND_FACTOR_ACCOUNT_RATE_LIMIT", default="20/day")
# Requests of one address with an invalid token or none.
UNAUTHENTICATED_RATE_LIMIT = env.str("UNAUTHENTICATED_RATE_LIMIT", default="60/minute")
for _value in (
    RATE_LIMIT,
    LOGIN_RATE_LIMIT,
    LOGIN_ACCOUNT_RATE_LIMIT,
    SECOND_FACTOR_RATE_LIMIT,
    SECOND_FACTOR_ACCOUNT_RATE_LIMIT,
    UNAUTHENTICATED_RATE_LIMIT,
):
    try:
        parse(_value)
    except ValueError as exc:
        raise ImproperlyConfigured(
            f"{_value!r} is no rate limit: use the form 100/minute."
        ) from exc
TRUSTED_PROXIES = env.int("TRUSTED_PROXIES", default=0)
REDIS_THROTTLE_TIMEOUT_SECONDS = 0.05
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["accounts.authentication.TokenAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": [
        "rest_framework.permissions.IsAuthenticated",
        "auteur.core.api.scopes.WithinScope",
        "accounts.permissions.IsOpenAccount",
    ],
    "DEFAULT_PARSER_CLASSES": ["auteur.core.api.parsing.JSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_THROTTLE_CLASSES": ["auteur.core.api.throttling.RateLimit"],
    "NUM_PROXIES": TRUSTED_PROXIES,
    "DEFAULT_SCHEMA_CLASS": "auteur.core.api.schema.Schema",
    "DEFAULT_METADATA_CLASS": None,  # The CORS middleware answers OPTIONS requests.
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "auteur.core.api.negotiation.Negotiation",
    "EXCEPTION_HANDLER": "auteur.core.api.problems.exception_handler",
    "UNAUTHENTICATED_USER": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Auteur",
    "DESCRIPTION": "The back end of an AI video editor: projects, media, AI jobs and credits. "
    "What may change and how changes are announced: [versioning](/help/versioning/).",
    "VERSION": __version__,
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_AUTHENTICATION": [],
    "SERVE_PERMISSIONS": [],
    "COMPONENT_SPLIT_REQUEST": True,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "ENUM_NAME_OVERRIDES": {
        "ErrorCode": "gpu_tasks.runtime.errors.ErrorCode",
        "JobStatus": "jobs.status.ClientStatus",
        "StoredJobStatus": ["pending", "processing", "completed", "failed", "cancelled"],
        "EventType": "jobs.integrations.webhooks.serializers.EVENTS",
        "DeliveryState": "jobs.integrations.webhooks.models.DeliveryState",
        "DeliveryError": "jobs.integrations.webhooks.models.DeliveryError",
        "DisabledReason": "jobs.integrations.webhooks.models.DisabledReason",
        "DerivationStatus": "media.models.DerivationStatus",
        "ConsentKind": "media.consents.models.ConsentKind",
        "ConsentStatus": "media.consents.serializers.STATUSES",
        "RemovedKind": "media.consents.models.RemovedKind",
        "ExportStatus": "accounts.models.ExportStatus",
        "MediaStatus": "media.models.MediaStatus",
        "MediaType": "media.models.MediaType",
        "TransactionType": "credits.models.TransactionType",
        "GrantKind": "credits.models.GrantKind",
        "TrackType": ["video", "audio"],
        "AuthorType": "projects.serializers.AUTHORS",
        "Plan": "accounts.models.Plan",
        "SubscriptionStatus": "accounts.models.SubscriptionStatus",
    },
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "auteur.core.api.schema.add_problem_responses",
        "auteur.core.api.schema.order_by_tag",
    ],
}

# The retention of the event log. Clients that return later read the jobs instead.
EVENTS_KEPT_DAYS = env.int("EVENTS_KEPT_DAYS", default=30)
MAX_EVENTS_KEPT_DAYS = 3650
if not 1 <= EVENTS_KEPT_DAYS <= MAX_EVENTS_KEPT_DAYS:
    raise ImproperlyConfigured(f"EVENTS_KEPT_DAYS must be between 1 and {MAX_EVENTS_KEPT_DAYS}.")
# How durable the numbers of events are before clients see them. Without a synchronous standby,
# all values mean the same (docs/operations.md).
EVENTS_SYNCHRONOUS_COMMIT = env.str("EVENTS_SYNCHRONOUS_COMMIT", default="on")
SYNCHRONOUS_COMMITS = ("local", "remote_write", "on", "remote_apply")
if EVENTS_SYNCHRONOUS_COMMIT not in SYNCHRONOUS_COMMITS:
    raise ImproperlyConfigured(
        f"EVENTS_SYNCHRONOUS_COMMIT is {EVENTS_SYNCHRONOUS_COMMIT!r}: use one of "
        f"{', '.join(SYNCHRONOUS_COMMITS)}."
    )

# The retention of attempts after their job has ended; 0 keeps them for ever. Retention empties
# columns of younger ones.
ATTEMPTS_KEPT_DAYS = env.int("ATTEMPTS_KEPT_DAYS", default=0)

# --- Retention of personal data (docs/privacy.md) ---------------------------------------------

ACCOUNT_CLOSING_DAYS = env.int(
    "ACCOUNT_CLOSING_DAYS", default=30
)  # The time to restore a closed account.
MAX_ACCOUNT_CLOSING_DAYS = 365
if not 0 <= ACCOUNT_CLOSING_DAYS <= MAX_ACCOUNT_CLOSING_DAYS:
    raise ImproperlyConfigured(
        f"ACCOUNT_CLOSING_DAYS must be between 0 and {MAX_ACCOUNT_CLOSING_DAYS}."
    )
EXPORT_DAYS = env.int("EXPORT_DAYS", default=7)  # How long an export can be downloaded.
MAX_EXPORT_DAYS = 90
if not 1 <= EXPORT_DAYS <= MAX_EXPORT_DAYS:
    raise ImproperlyConfigured(f"EXPORT_DAYS must be between 1 and {MAX_EXPORT_DAYS}.")
# The retention of prompts, call payloads and call outcomes after a job has ended. 0 keeps them as
# long as the account.
RETENTION_PROMPTS_DAYS = env.int("RETENTION_PROMPTS_DAYS", default=0)
RETENTION_PAYLOADS_DAYS = env.int("RETENTION_PAYLOADS_DAYS", default=90)
RETENTION_OUTCOMES_DAYS = env.int("RETENTION_OUTCOMES_DAYS", default=90)
# The retention of ended API keys, after which their names are erased and unused keys deleted, and
# of the admin's history. 0 keeps them for ever.
API_KEYS_KEPT_DAYS = env.int("API_KEYS_KEPT_DAYS", default=365)
ADMIN_LOG_KEPT_DAYS = env.int("ADMIN_LOG_KEPT_DAYS", default=0)
MAX_RETENTION_DAYS = 3650
for _name, _value in (
    ("RETENTION_PROMPTS_DAYS", RETENTION_PROMPTS_DAYS),
    ("RETENTION_PAYLOADS_DAYS", RETENTION_PAYLOADS_DAYS),
    ("RETENTION_OUTCOMES_DAYS", RETENTION_OUTCOMES_DAYS),
    ("ATTEMPTS_KEPT_DAYS", ATTEMPTS_KEPT_DAYS),
    ("API_KEYS_KEPT_DAYS", API_KEYS_KEPT_DAYS),
    ("ADMIN_LOG_KEPT_DAYS", ADMIN_LOG_KEPT_DAYS),
):
    if not 0 <= _value <= MAX_RETENTION_DAYS:
        raise ImproperlyConfigured(f"{_name} must be between 0 and {MAX_RETENTION_DAYS}.")
# Payloads name render segments, which are kept for two weeks. A revoked consent must find them.
MIN_PAYLOADS_DAYS = 15
# The database itself refuses to delete younger entries, because staff are accountable.
MIN_ADMIN_LOG_DAYS = 365
for _name, _value, _minimum in (
    ("RETENTION_PAYLOADS_DAYS", RETENTION_PAYLOADS_DAYS, MIN_PAYLOADS_DAYS),
    ("ATTEMPTS_KEPT_DAYS", ATTEMPTS_KEPT_DAYS, MIN_PAYLOADS_DAYS),
    ("ADMIN_LOG_KEPT_DAYS", ADMIN_LOG_KEPT_DAYS, MIN_ADMIN_LOG_DAYS),
):
    if 0 < _value < _minimum:
        raise ImproperlyConfigured(f"{_name} must be 0, or at least {_minimum}.")

# --- Browsers ---------------------------------------------------------------------------------

CORS_ALLOWED_ORIGINS = env.list("CORS_ALLOWED_ORIGINS", default=["http://localhost:3000"])
CORS_ALLOW_HEADERS = [
    "authorization",
    "content-type",
    "idempotency-key",
    "if-match",
    "if-none-match",
    "last-event-id",
    "x-request-id",
]
CORS_EXPOSE_HEADERS = [
    "etag",
    "content-range",
    "retry-after",
    "ratelimit",
    "ratelimit-policy",
    "idempotency-replayed",
    "location",
    "x-request-id",
]
if "null" in CORS_ALLOWED_ORIGINS:
    raise ImproperlyConfigured("CORS_ALLOWED_ORIGINS must not contain the null origin.")
# Our own pages use `live`, which has another port if no proxy serves both.
CORS_ALLOWED_ORIGINS.append("{0.scheme}://{0.netloc}".format(urlsplit(PUBLIC_URL)))
CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'self'",
        "img-src 'self' data:",
        "style-src 'self' 'unsafe-inline'",  # The docs and the admin use inline styles.
        "object-src 'none'",
        "frame-ancestors 'none'",
        "base-uri 'self'",
        "form-action 'self'",
    )
)
X_FRAME_OPTIONS = "DENY"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
HTTPS = urlsplit(PUBLIC_URL).scheme == "https"
SECURE_SSL_REDIRECT = HTTPS and env.bool("SECURE_SSL_REDIRECT", default=True)
SECURE_REDIRECT_EXEMPT = [r"^health/", r"^internal/"]  # Requested without the proxy.
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS else None
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = HTTPS
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL]
STATIC_URL = "/static/"
STATIC_ROOT = env.str("STATIC_ROOT", default=None)  # The target of `collectstatic`, if it was run.
WHITENOISE_USE_FINDERS = STATIC_ROOT is None
STUDIO_DIR = BASE_DIR / "clients" / "studio" / "dist"  # The target of `make studio`.
STATICFILES_DIRS = [("studio", STUDIO_DIR / "assets")]
WHITENOISE_AUTOREFRESH = WHITENOISE_USE_FINDERS  # The studio may be built later.
WHITENOISE_IMMUTABLE_FILE_TEST = r"/studio/.+-[A-Z0-9]{8}\.\w+$"
HELP_ROOT = BASE_DIR / "var" / "help"  # The target of `make docs`.

# --- Jobs -------------------------------------------------------------------------------------

GPU_CALLBACK_SECRET = env.read_secret("GPU_CALLBACK_SECRET")
GPU_CALLBACK_SECRET_FALLBACKS = env.read_secrets("GPU_CALLBACK_SECRET_FALLBACKS", default=[])
GPU_CALLBACK_URL = env.str("GPU_CALLBACK_URL", default=f"{PUBLIC_URL}/internal/gpu-callback")
INFERENCE_BACKEND = env.str("INFERENCE_BACKEND", default="local")
INFERENCE_ENGINE = env.str("INFERENCE_ENGINE", default="draft")
# Exceptions by feature: "transcription=production,tts=draft".
INFERENCE_BACKENDS = env.dict("INFERENCE_BACKENDS", default={})
INFERENCE_ENGINES = env.dict("INFERENCE_ENGINES", default={})
# The app at Modal, if a backend above is "modal".
MODAL_TOKEN_ID = env.str("MODAL_TOKEN_ID", default="")
MODAL_TOKEN_SECRET = env.str("MODAL_TOKEN_SECRET", default="")
MODAL_APP = env.str("MODAL_APP", default="auteur")
MODAL_ENVIRONMENT = env.str("MODAL_ENVIRONMENT", default="")
MODEL_DIR = env.str("MODEL_DIR", default="")  # The weights of production engines on our own GPUs.
# The device of engines on our own GPUs, and how many engines a process keeps loaded.
LOCAL_GPU_DEVICE = env.str("LOCAL_GPU_DEVICE", default="cuda")
LOCAL_GPU_ENGINES = env.int("LOCAL_GPU_ENGINES", default=1)
if LOCAL_GPU_ENGINES < 1:
    raise ImproperlyConfigured("LOCAL_GPU_ENGINES must be at least 1.")


def _parse_numbers(
    name: str,
    texts: dict[str, str],
    number: type[int] | type[float],
    allowed_keys: Collection[str] = (),
) -> dict[str, Any]:
    """Return the numbers of a setting. Raise ``ImproperlyConfigured`` if one is below 0.

    If there are ``allowed_keys``, other keys raise it as well.
    """
    if allowed_keys and (unknown := sorted(set(texts) - set(allowed_keys))):
        raise ImproperlyConfigured(
            f"{name} names {', '.join(unknown)}: use {', '.join(allowed_keys)}."
        )
    try:
        numbers = {key: number(value) for key, value in texts.items()}
    except ValueError as exc:
        raise ImproperlyConfigured(f"{name} has a value that is no number: {exc}.") from exc
    if any(value < 0 for value in numbers.values()):
        raise ImproperlyConfigured(f"{name} has a value below 0.")
    return numbers


# MiB that a sandboxed child reserves at its start, by process: enough for the usual work, such as
# a frame of a timeline, signing, probing media, or a call of an engine. It reserves more as it
# grows.
FIRST_SANDBOX_MEMORY_MIB = {"api": 224, "steps": 160, "media": 320, "cpu": 352}
DEFAULT_SANDBOX_MEMORY_MIB = {"api": 480, "steps": 352, "media": 640, "cpu": 1120}

# --- Overrides of feature declarations (docs/features.md) -------------------------------------

# gpu_tasks reads these variables itself, here and at Modal (gpu_tasks/runtime/overrides.py). So
# values from files are copied into the environment.
os.environ |= {
    "FEATURE_AT_ONCE": env.str("FEATURE_AT_ONCE", default=""),
    "FEATURE_GPUS": env.str("FEATURE_GPUS", default=""),
    "FEATURE_MODELS": env.str("FEATURE_MODELS", default=""),
    "FEATURE_TIME_LIMITS": env.str("FEATURE_TIME_LIMITS", default=""),
    # The most concurrent calls on rented GPUs, by class: "L4=500,H100=20".
    "GPU_LIMITS": env.str("GPU_LIMITS", default=""),
}
# Prices by feature and number of its tariff: "tts.credits=3,tts.base=1". jobs.apps checks names.
try:
    _FEATURES = sorted(contracts())
    overrides.read_gpu_limits(RENTED_GPUS)
    _PRICES = overrides.parse_pairs("FEATURE_PRICES", env.str("FEATURE_PRICES", default=""))
except overrides.InvalidOverrideError as exc:
    raise ImproperlyConfigured(str(exc)) from exc
FEATURE_PRICES = _parse_numbers("FEATURE_PRICES", _PRICES, int)
# Features that accept no new jobs: "tts,render".
FEATURES_DISABLED = [
    name.strip() for name in env.list("FEATURES_DISABLED", default=[]) if name.strip()
]
if _unknown := sorted(set(FEATURES_DISABLED) - set(_FEATURES)):
    raise ImproperlyConfigured(
        f"FEATURES_DISABLED names {', '.join(_unknown)}: use {', '.join(_FEATURES)}."
    )

# --- GPUs and concurrency ---------------------------------------------------------------------

# The most concurrent calls on our own GPUs, by class: "L4=2,A10G=1".
LOCAL_GPU_LIMITS = _parse_numbers(
    "LOCAL_GPU_LIMITS", env.dict("LOCAL_GPU_LIMITS", default={}), int, list(GpuClass)
)
# US dollars per GPU second by class ("A10G=0.0002"). Defaults: gpu_tasks/runtime/prices.py.
GPU_PRICES = _parse_numbers("GPU_PRICES", env.dict("GPU_PRICES", default={}), float, list(GpuClass))
MAX_IDS_PER_MESSAGE = env.int("MAX_IDS_PER_MESSAGE", default=50)  # Attempts that one message wakes.
WORKER_EVENTS = env.bool("WORKER_EVENTS", default=True)  # Flower needs these events.
FLOWER_LOGIN = env.str("FLOWER_LOGIN", default="")  # name:password; without it, no login.
if FLOWER_LOGIN and not re.fullmatch(r"[^:,\s]+:[^,\s]{12,}", FLOWER_LOGIN):
    raise ImproperlyConfigured(
        "FLOWER_LOGIN must be name:password, with a password of at least 12 characters."
    )
FLOWER_HISTORY = env.str("FLOWER_HISTORY", default="")  # The file that stores its history.
WORKER_CONCURRENCY = env.int("WORKER_CONCURRENCY", default=2)
# The most concurrent calls of one user in each GPU class; 0 sets no limit. Exceptions by plan:
# "starter=5,pro=20". The fair queue works without these limits.
MAX_IN_FLIGHT = env.int("MAX_IN_FLIGHT", default=0)
MAX_IN_FLIGHT_BY_PLAN = _parse_numbers(
    "MAX_IN_FLIGHT_BY_PLAN", env.dict("MAX_IN_FLIGHT_BY_PLAN", default={}), int
)
if MAX_IN_FLIGHT < 0:
    raise ImproperlyConfigured("MAX_IN_FLIGHT must not be below 0.")
# How many cancelled jobs are refunded to a user in 24 hours although they had begun.
MAX_FREE_CANCELS = env.int("MAX_FREE_CANCELS", default=20)
if MAX_FREE_CANCELS < 0:
    raise ImproperlyConfigured("MAX_FREE_CANCELS must not be below 0.")
# The quota of one user's media; 0 sets no limit. Exceptions by plan.
STORAGE_QUOTA_BYTES = env.int("STORAGE_QUOTA_BYTES", default=5 * 1024**3)
STORAGE_QUOTA_BYTES_BY_PLAN = _parse_numbers(
    "STORAGE_QUOTA_BYTES_BY_PLAN",
    env.dict(
        "STORAGE_QUOTA_BYTES_BY_PLAN",
        default={"starter": str(100 * 1024**3), "pro": str(1024**4)},
    ),
    int,
)
if STORAGE_QUOTA_BYTES < 0:
    raise ImproperlyConfigured("STORAGE_QUOTA_BYTES must not be below 0.")
# The most concurrent calls for our own CPU workers together: enough to keep them busy.
CPU_LIMIT = env.int("CPU_LIMIT", default=2 * WORKER_CONCURRENCY)
if CPU_LIMIT < 0:
    raise ImproperlyConfigured("CPU_LIMIT must not be below 0.")
# The most derivations at a time, of all workers together. By default, one process of a media worker
# stays free for checks, because users wait for them.
DERIVE_LIMIT = env.int("DERIVE_LIMIT", default=max(1, WORKER_CONCURRENCY - 1))
if DERIVE_LIMIT < 1:
    raise ImproperlyConfigured("DERIVE_LIMIT must be at least 1.")

# The processes of a media worker that fetch imports, in addition to WORKER_CONCURRENCY. Each runs
# many transfers (media/imports/limits.py).
IMPORT_LIMIT = env.int("IMPORT_LIMIT", default=2)
if IMPORT_LIMIT < 1:
    raise ImproperlyConfigured("IMPORT_LIMIT must be at least 1.")

# MiB of memory of all sandboxed children of a container together, by process. A container's limit
# must be this plus the memory of its own processes (docs/operations.md).
SANDBOX_MEMORY_MIB = DEFAULT_SANDBOX_MEMORY_MIB | _parse_numbers(
    "SANDBOX_MEMORY_MIB",
    env.dict("SANDBOX_MEMORY_MIB", default={}),
    int,
    list(DEFAULT_SANDBOX_MEMORY_MIB),
)
for _name, _minimum in FIRST_SANDBOX_MEMORY_MIB.items():
    if SANDBOX_MEMORY_MIB[_name] < _minimum:
        raise ImproperlyConfigured(f"SANDBOX_MEMORY_MIB: {_name} needs at least {_minimum}.")

# True if features that change a face accept only media with a recorded consent (POST /consents)
# that is not revoked. Voices always need one.
FACE_CONSENT_REQUIRED = env.bool("FACE_CONSENT_REQUIRED", default=False)

# The most exports made at a time, of all workers together. Each media worker has as many additional
# processes for them.
EXPORT_LIMIT = env.int("EXPORT_LIMIT", default=1)
if EXPORT_LIMIT < 1:
    raise ImproperlyConfigured("EXPORT_LIMIT must be at least 1.")

# --- The schema registry of the streams (docs/streams.md) -------------------------------------

SCHEMA_REGISTRY_URL = env.str("SCHEMA_REGISTRY_URL", default="").rstrip("/")
SCHEMA_REGISTRY_API_KEY = env.str("SCHEMA_REGISTRY_API_KEY", default="")
SCHEMA_REGISTRY_API_SECRET = env.str("SCHEMA_REGISTRY_API_SECRET", default="")
SCHEMA_REGISTRY_CA_PATH = env.str("SCHEMA_REGISTRY_CA_PATH", default="")
SCHEMA_REGISTRY_AUTO_REGISTER = env.bool("SCHEMA_REGISTRY_AUTO_REGISTER", default=DEBUG)
_registry = urlsplit(SCHEMA_REGISTRY_URL)
if SCHEMA_REGISTRY_URL and (_registry.scheme not in ("http", "https") or not _registry.hostname):
    raise ImproperlyConfigured("SCHEMA_REGISTRY_URL must begin with https:// or http://.")
if _registry.username is not None:
    raise ImproperlyConfigured(
        "SCHEMA_REGISTRY_URL must have no login: set SCHEMA_REGISTRY_API_KEY and"
        " SCHEMA_REGISTRY_API_SECRET instead."
    )
if bool(SCHEMA_REGISTRY_API_KEY) != bool(SCHEMA_REGISTRY_API_SECRET):
    raise ImproperlyConfigured(
        "Set both SCHEMA_REGISTRY_API_KEY and SCHEMA_REGISTRY_API_SECRET, or neither."
    )
if SCHEMA_REGISTRY_API_KEY and _registry.scheme == "http" and not DEBUG:
    raise ImproperlyConfigured(
        "SCHEMA_REGISTRY_API_SECRET would be sent unencrypted: use https in SCHEMA_REGISTRY_URL."
    )
if SCHEMA_REGISTRY_CA_PATH and not Path(SCHEMA_REGISTRY_CA_PATH).is_file():
    raise ImproperlyConfigured(
        f"SCHEMA_REGISTRY_CA_PATH is {SCHEMA_REGISTRY_CA_PATH!r}: there is no such file."
    )

# --- Addresses that webhooks and imports may use (auteur/core/net/outbound.py) ---

WEBHOOK_HTTP = env.bool("WEBHOOK_HTTP", default=DEBUG)  # True allows http:// as well.


def _parse_port_ranges(name: str, text: str) -> list[range]:
    parts = [part.strip().partition("-") for part in text.split(",")]
    try:
        ends = [(int(first), int(last or first)) for first, _, last in parts]
    except ValueError as exc:
        raise ImproperlyConfigured(f"{name} must be like 443,8000-8999.") from exc
    if not all(0 < first <= last <= MAX_PORT for first, last in ends):
        raise ImproperlyConfigured(f"{name} must have ports from 1 to {MAX_PORT}.")
    return [range(first, last + 1) for first, last in ends]


def _parse_networks(name: str, texts: list[str]) -> list[IPv4Network | IPv6Network]:
    try:
        return [ip_network(text.strip()) for text in texts]
    except ValueError as exc:
        raise ImproperlyConfigured(f"{name} must be like 10.0.0.0/8,fd00::/8: {exc}.") from exc


MAX_PORT = 65535
WEBHOOK_PORTS = _parse_port_ranges("WEBHOOK_PORTS", env.str("WEBHOOK_PORTS", default="443,8443"))
# Networks that are allowed although they are not public, and public ones of ours that are refused.
WEBHOOK_ALLOWED_NETWORKS = _parse_networks(
    "WEBHOOK_ALLOWED_NETWORKS", env.list("WEBHOOK_ALLOWED_NETWORKS", default=[])
)
WEBHOOK_REFUSED_NETWORKS = _parse_networks(
    "WEBHOOK_REFUSED_NETWORKS", env.list("WEBHOOK_REFUSED_NETWORKS", default=[])
)

IMPORT_PORTS = _parse_port_ranges("IMPORT_PORTS", env.str("IMPORT_PORTS", default="80,443"))
IMPORT_ALLOWED_NETWORKS = _parse_networks(
    "IMPORT_ALLOWED_NETWORKS", env.list("IMPORT_ALLOWED_NETWORKS", default=[])
)

# --- Streams of the event log (docs/streams.md) -----------------------------------------------

STREAMS_SINK = env.str("STREAMS_SINK", default="redis")
if STREAMS_SINK not in ("redis", "kafka", "none"):
    raise ImproperlyConfigured(f"STREAMS_SINK is {STREAMS_SINK!r}: use redis, kafka or none.")
_streams_url = env.str("STREAMS_REDIS_URL", default="")  # If the streams have a Redis of their own.
STREAMS_REDIS_URL = (
    _build_redis_url(_streams_url, "STREAMS_REDIS_URL") if _streams_url else REDIS_URL
)
STREAMS_REDIS_LENGTH = env.int("STREAMS_REDIS_LENGTH", default=100_000)  # Records of each stream.
if STREAMS_REDIS_LENGTH < 1:
    raise ImproperlyConfigured("STREAMS_REDIS_LENGTH must be at least 1.")
KAFKA_BROKERS = [part.strip() for part in env.list("KAFKA_BROKERS", default=[]) if part.strip()]
if STREAMS_SINK == "kafka" and not KAFKA_BROKERS:
    raise ImproperlyConfigured("STREAMS_SINK=kafka needs KAFKA_BROKERS=host:port,host:port.")
for _broker in KAFKA_BROKERS:
    _host, _, _port = _broker.rpartition(":")
    if not re.fullmatch(r"[\w.-]+|\[[\da-fA-F:.]+\]", _host) or not re.fullmatch(r"\d{1,5}", _port):
        raise ImproperlyConfigured(f"KAFKA_BROKERS has {_broker!r}: use host:port,host:port.")
KAFKA_CLIENT_ID = env.str("KAFKA_CLIENT_ID", default="auteur")
KAFKA_SSL = env.bool("KAFKA_SSL", default=False)
KAFKA_CA_PATH = env.str("KAFKA_CA_PATH", default="")
if KAFKA_CA_PATH and not Path(KAFKA_CA_PATH).is_file():
    raise ImproperlyConfigured(f"KAFKA_CA_PATH is {KAFKA_CA_PATH!r}: there is no such file.")
KAFKA_USERNAME = env.str("KAFKA_USERNAME", default="")
KAFKA_PASSWORD = env.str("KAFKA_PASSWORD", default="")
KAFKA_SASL_MECHANISM = env.str("KAFKA_SASL_MECHANISM", default="scram-sha-256").lower()
if KAFKA_SASL_MECHANISM not in ("plain", "scram-sha-256", "scram-sha-512"):
    raise ImproperlyConfigured(
        f"KAFKA_SASL_MECHANISM is {KAFKA_SASL_MECHANISM!r}: use plain, scram-sha-256 or"
        " scram-sha-512."
    )
if bool(KAFKA_USERNAME) != bool(KAFKA_PASSWORD):
    raise ImproperlyConfigured("Set both KAFKA_USERNAME and KAFKA_PASSWORD, or neither.")
if KAFKA_USERNAME and KAFKA_SASL_MECHANISM == "plain" and not KAFKA_SSL:
    raise ImproperlyConfigured(
        "KAFKA_SASL_MECHANISM=plain would send the password unencrypted: set KAFKA_SSL=true."
    )
KAFKA_CONNECTION_TIMEOUT = env.int("KAFKA_CONNECTION_TIMEOUT", default=10_000)  # Milliseconds.
KAFKA_REQUEST_TIMEOUT = env.int("KAFKA_REQUEST_TIMEOUT", default=30_000)  # Milliseconds.
if not (1000 <= KAFKA_CONNECTION_TIMEOUT <= 300_000 and 1000 <= KAFKA_REQUEST_TIMEOUT <= 300_000):
    raise ImproperlyConfigured(
        "KAFKA_CONNECTION_TIMEOUT and KAFKA_REQUEST_TIMEOUT must be from 1000 to 300000."
    )

# --- Billing with Stripe (docs/billing.md) ----------------------------------------------------

STRIPE_SECRET_KEY = env.str("STRIPE_SECRET_KEY", default="")  # Without it, nothing is sold.
# The secrets of the webhook's endpoint, separated by commas. During a rotation there are two.
STRIPE_WEBHOOK_SECRETS = [
    part.strip() for part in env.list("STRIPE_WEBHOOK_SECRETS", default=[]) if part.strip()
]
STRIPE_API_URL = env.str("STRIPE_API_URL", default="https://api.stripe.com").rstrip("/")
BILLING_CURRENCY = env.str("BILLING_CURRENCY", default="usd").lower()
BILLING_RETURN_URL = env.str("BILLING_RETURN_URL", default="")  # The page after a purchase.
# How long a plan and its credits outlive their period, so that the renewal can be paid.
BILLING_GRACE_DAYS = env.int("BILLING_GRACE_DAYS", default=3)
MAX_BILLING_GRACE_DAYS = 60
MAX_SOLD_CREDITS = 10_000_000
_PRICE_ID = re.compile(r"\w{1,255}", re.ASCII)


def _parse_offer(name: str, value: Any) -> tuple[str, int]:
    """Return the id of a price at Stripe, and the credits that it buys."""
    if not isinstance(value, dict) or set(value) != {"price", "credits"}:
        raise ImproperlyConfigured(f"{name} must have a price and credits, and nothing else.")
    price, number = value["price"], value["credits"]
    if not (isinstance(price, str) and _PRICE_ID.fullmatch(price)):
        raise ImproperlyConfigured(f"{name}: price must be the id of a price at Stripe.")
    if type(number) is not int or not 0 < number <= MAX_SOLD_CREDITS:
        raise ImproperlyConfigured(f"{name}: credits must be from 1 to {MAX_SOLD_CREDITS}.")
    return price, number


def _parse_offers(name: str, text: str) -> dict[str, list[tuple[str, int]]]:
    """Return the offers by name. The first price of each is on sale, the others are former ones."""
    try:
        values = json.loads(text or "{}")
    except ValueError as exc:
        raise ImproperlyConfigured(f"{name} is not valid JSON: {exc}.") from exc
    if not isinstance(values, dict) or not all(values.values()):
        raise ImproperlyConfigured(f'{name} must be like {{"pro": {{"price": …, "credits": …}}}}.')
    lists = {key: value if isinstance(value, list) else [value] for key, value in values.items()}
    return {
        key: [_parse_offer(f"{name}: {key}", offer) for offer in offers]
        for key, offers in lists.items()
    }


BILLING_PLANS = _parse_offers("BILLING_PLANS", env.str("BILLING_PLANS", default=""))
BILLING_PACKS = _parse_offers("BILLING_PACKS", env.str("BILLING_PACKS", default=""))
_prices = [
    price
    for offers_by_name in (BILLING_PLANS, BILLING_PACKS)
    for offers in offers_by_name.values()
    for price, _ in offers
]
if len(_prices) != len(set(_prices)):
    raise ImproperlyConfigured(
        "BILLING_PLANS and BILLING_PACKS name a price twice: use each price once."
    )
if bool(STRIPE_SECRET_KEY) != bool(STRIPE_WEBHOOK_SECRETS):
    raise ImproperlyConfigured("Set both STRIPE_SECRET_KEY and STRIPE_WEBHOOK_SECRETS, or neither.")
if not 0 <= BILLING_GRACE_DAYS <= MAX_BILLING_GRACE_DAYS:
    raise ImproperlyConfigured(f"BILLING_GRACE_DAYS must be from 0 to {MAX_BILLING_GRACE_DAYS}.")
if not re.fullmatch(r"[a-z]{3}", BILLING_CURRENCY):
    raise ImproperlyConfigured(
        f"BILLING_CURRENCY is {BILLING_CURRENCY!r}: use three letters, such as usd."
    )
for _name, _value in (
    ("STRIPE_API_URL", STRIPE_API_URL),
    ("BILLING_RETURN_URL", BILLING_RETURN_URL),
):
    _parts = urlsplit(_value)
    _is_set = bool(_value) or bool(STRIPE_SECRET_KEY)
    if _is_set and not (_parts.scheme in ("https", "http") and _parts.hostname):
        raise ImproperlyConfigured(f"{_name} must begin with https://, as in https://example.com.")
if STRIPE_SECRET_KEY.startswith(("sk_live", "rk_live")) and STRIPE_API_URL.startswith("http:"):
    raise ImproperlyConfigured(
        "STRIPE_SECRET_KEY would be sent unencrypted: use https in STRIPE_API_URL."
    )

# --- Logs: no bodies, no tokens, no personal data ---------------------------------------------

LOG_LEVEL = env.str("LOG_LEVEL", default="INFO")
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {"()": "auteur.core.logs.LineFormatter"},
        "access": {"format": "[%(asctime)s] %(message)s", "datefmt": "%d/%b/%Y:%H:%M:%S %z"},
    },
    "handlers": {
        "stderr": {"class": "logging.StreamHandler", "formatter": "line"},
        "access": {
            "class": "logging.StreamHandler",
            "formatter": "access",
            "stream": "ext://sys.stdout",
        },
    },
    "root": {"handlers": ["stderr"], "level": LOG_LEVEL},
    "loggers": {
        "botocore": {"level": "WARNING"},
        "stripe": {"level": "WARNING"},  # It would log each request with customer ids.
        "auteur.access": {"handlers": ["access"], "level": "INFO", "propagate": False},
        "uvicorn": {"level": "CRITICAL"},  # It would log hostile peers.
        "django.security.DisallowedHost": {
            "handlers": [],
            "propagate": False,
        },  # Scanners cause these.
    },
}
SENTRY_DSN = env.str("SENTRY_DSN", default="")  # Without it, faults are only logged.
SENTRY_ENVIRONMENT = env.str("SENTRY_ENVIRONMENT", default="production")
