"""Object storage on AWS S3, Cloudflare R2 or MinIO, by presigned URLs (signature version 4)."""

from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from botocore.config import Config
from botocore.exceptions import ClientError
from django.conf import settings
from django.utils.http import content_disposition_header
from storages.backends.s3 import S3Storage

from media.storage import ObjectInfo, ObjectMissing, ObjectTooLarge, checked_key

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

MISSING_CODES = {"404", "NoSuchKey", "NotFound"}
TRANSPORT = Config(
    connect_timeout=5,
    read_timeout=15,
    retries={"max_attempts": 2, "mode": "standard"},
    max_pool_connections=32,
    # R2 and MinIO do not know all of the newer checksums that boto3 adds by default.
    request_checksum_calculation="when_required",
    response_checksum_validation="when_required",
)


class PresignedS3Storage(S3Storage):
    """django-storages' S3 storage with presigned PUT and GET.

    ``public_endpoint_url`` is the address that clients know, where it is not ``endpoint_url``.
    """

    client_config: Config

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.client_config = self.client_config.merge(TRANSPORT)

    def get_default_settings(self) -> dict[str, Any]:
        """django-storages' options and ours."""
        return super().get_default_settings() | {"public_endpoint_url": None}

    @cached_property
    def client(self) -> "S3Client":
        """The client for our own requests; boto3's clients may be shared by threads."""
        return self._client(self.endpoint_url)

    @cached_property
    def signer(self) -> "S3Client":
        """The client that signs for the address that clients use."""
        public = self.public_endpoint_url
        return self._client(public) if public else self.client

    def presigned_put(
        self,
        key: str,
        *,
        content_type: str,
        size_bytes: int | None = None,
        once: bool = False,
        expires: int | None = None,
    ) -> str:
        """A URL to PUT one object to (see ``ObjectStorage``)."""
        bound: dict[str, Any] = {"ContentType": content_type}
        if size_bytes is not None:
            bound["ContentLength"] = size_bytes
        if once:
            bound["IfNoneMatch"] = "*"
        return self._sign(self.signer, "put_object", key, expires, **bound)

    def presigned_get(
        self, key: str, *, filename: str | None = None, expires: int | None = None
    ) -> str:
        """A URL to GET the object from (see ``ObjectStorage``)."""
        disposition = content_disposition_header(as_attachment=True, filename=filename or "")
        return self._sign(
            self.signer, "get_object", key, expires, ResponseContentDisposition=disposition
        )

    def probe_source(self, key: str) -> str:
        """A signed URL at the address that we ourselves use."""
        return self._sign(self.client, "get_object", key, None)

    def head(self, key: str) -> ObjectInfo:
        """Size and content type; raises ``ObjectMissing``."""
        try:
            found = self.client.head_object(Bucket=self.bucket_name, Key=checked_key(key))
        except ClientError as exc:
            raise _translated(exc) from exc
        return ObjectInfo(size_bytes=found["ContentLength"], content_type=found["ContentType"])

    def read(self, key: str, max_bytes: int) -> bytes:
        """A small object whole; raises ``ObjectMissing`` and ``ObjectTooLarge``."""
        try:
            found = self.client.get_object(Bucket=self.bucket_name, Key=checked_key(key))
        except ClientError as exc:
            raise _translated(exc) from exc
        with found["Body"] as body:
            if found["ContentLength"] > max_bytes:
                raise ObjectTooLarge
            return body.read()

    def write(self, key: str, content: bytes, content_type: str) -> None:
        """Store a small object, in place of an older one."""
        self.client.put_object(
            Bucket=self.bucket_name, Key=checked_key(key), Body=content, ContentType=content_type
        )

    def delete(self, name: str) -> None:
        """Remove the object; one that is not there is no error."""
        self.client.delete_object(Bucket=self.bucket_name, Key=checked_key(name))

    def unfinished(self, *, before: datetime) -> list[str]:
        """Nothing: an object that is put in one request is there whole or not at all."""
        return []

    def remove_unfinished(self, name: str, /) -> bool:
        """There is nothing to remove."""
        return False

    def check(self) -> None:
        """Raise boto's error unless the bucket can be reached."""
        self.client.head_bucket(Bucket=self.bucket_name)

    def _client(self, endpoint_url: str | None) -> "S3Client":
        return self._create_session().client(
            "s3",
            region_name=self.region_name,
            use_ssl=self.use_ssl,
            endpoint_url=endpoint_url,
            config=self.client_config,
            verify=self.verify,
        )

    def _sign(
        self, client: "S3Client", operation: str, key: str, expires: int | None, **bound: Any
    ) -> str:
        return client.generate_presigned_url(
            operation,
            Params={"Bucket": self.bucket_name, "Key": checked_key(key), **bound},
            ExpiresIn=settings.PRESIGNED_URL_SECONDS if expires is None else expires,
        )


def _translated(exc: ClientError) -> Exception:
    missing = exc.response.get("Error", {}).get("Code") in MISSING_CODES
    return ObjectMissing() if missing else exc
