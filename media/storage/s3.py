"""Object storage on AWS S3, Cloudflare R2 and their like, by presigned URLs (version 4)."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from botocore.config import Config
from botocore.exceptions import ClientError
from django.conf import settings
from storages.backends.s3 import S3Storage

from media.file_names import attachment
from media.storage import (
    ObjectInfo,
    ObjectMissingError,
    ObjectTooLargeError,
    StoredObject,
    checked_key,
    seconds_to_write,
    signable_key,
)
from media.storage.multipart import StoredPart

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import ObjectTypeDef

MISSING_CODES = {"404", "NoSuchKey", "NoSuchUpload", "NotFound"}
TRANSPORT = Config(
    connect_timeout=5,
    read_timeout=15,
    retries={"max_attempts": 2, "mode": "standard"},
    max_pool_connections=32,
    # R2 and others do not know all of the newer checksums that boto3 adds by default.
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
        bound: dict[str, Any] = {"ContentType": content_type}
        if size_bytes is not None:
            bound["ContentLength"] = size_bytes
        if once:
            bound["IfNoneMatch"] = "*"
        return self._sign(self.signer, "put_object", key, seconds_to_write(expires), **bound)

    def presigned_get(
        self, key: str, *, filename: str | None = None, expires: int | None = None
    ) -> str:
        disposition = attachment(filename)
        return self._sign(
            self.signer, "get_object", key, expires, ResponseContentDisposition=disposition
        )

    def probe_source(self, key: str) -> str:
        """A signed URL at the address that we ourselves use."""
        return self._sign(self.client, "get_object", key, None)

    def head(self, key: str) -> ObjectInfo:
        try:
            found = self.client.head_object(Bucket=self.bucket_name, Key=checked_key(key))
        except ClientError as exc:
            raise _translated(exc) from exc
        return ObjectInfo(size_bytes=found["ContentLength"], content_type=found["ContentType"])

    def read(self, key: str, max_bytes: int) -> bytes:
        try:
            found = self.client.get_object(Bucket=self.bucket_name, Key=checked_key(key))
        except ClientError as exc:
            raise _translated(exc) from exc
        with found["Body"] as body:
            if found["ContentLength"] > max_bytes:
                raise ObjectTooLargeError
            return body.read()

    def read_range(self, key: str, offset: int, size_bytes: int) -> bytes:
        stretch = f"bytes={offset}-{offset + size_bytes - 1}"
        try:
            found = self.client.get_object(
                Bucket=self.bucket_name, Key=checked_key(key), Range=stretch
            )
        except ClientError as exc:
            raise _translated(exc) from exc
        with found["Body"] as body:
            return body.read()

    def write(self, key: str, content: bytes, content_type: str) -> None:
        self.client.put_object(
            Bucket=self.bucket_name, Key=checked_key(key), Body=content, ContentType=content_type
        )

    def delete(self, name: str) -> None:
        self.client.delete_object(Bucket=self.bucket_name, Key=checked_key(name))

    def begin_parts(self, key: str, *, content_type: str) -> str:
        begun = self.client.create_multipart_upload(
            Bucket=self.bucket_name, Key=checked_key(key), ContentType=content_type
        )
        return begun["UploadId"]

    def presigned_part(
        self,
        key: str,
        upload_id: str,
        *,
        number: int,
        size_bytes: int,
        expires: int | None = None,
    ) -> str:
        bound = {"UploadId": upload_id, "PartNumber": number, "ContentLength": size_bytes}
        return self._sign(self.signer, "upload_part", key, seconds_to_write(expires), **bound)

    def write_part(self, key: str, upload_id: str, number: int, content: bytes, /) -> None:
        try:
            self.client.upload_part(
                Bucket=self.bucket_name,
                Key=checked_key(key),
                UploadId=upload_id,
                PartNumber=number,
                Body=content,
            )
        except ClientError as exc:
            raise _translated(exc) from exc

    def stored_parts(self, key: str, upload_id: str) -> list[StoredPart]:
        pages = self.client.get_paginator("list_parts").paginate(
            Bucket=self.bucket_name, Key=checked_key(key), UploadId=upload_id
        )
        try:
            found = [part for page in pages for part in page.get("Parts", ())]
        except ClientError as exc:
            raise _translated(exc) from exc
        return [StoredPart(part["PartNumber"], part["Size"], part["ETag"]) for part in found]

    def join_parts(self, key: str, upload_id: str, parts: Sequence[StoredPart], /) -> None:
        try:
            self.client.complete_multipart_upload(
                Bucket=self.bucket_name,
                Key=checked_key(key),
                UploadId=upload_id,
                MultipartUpload={
                    "Parts": [{"PartNumber": part.number, "ETag": part.etag} for part in parts]
                },
            )
        except ClientError as exc:
            raise _translated(exc) from exc

    def abort_parts(self, key: str, upload_id: str, /) -> None:
        with suppress(ObjectMissingError):
            self._abort(key, upload_id)

    def objects(self, prefix: str) -> list[StoredObject]:
        folder = f"{checked_key(prefix.removesuffix('/'))}/"
        pages = self.client.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket_name, Prefix=folder
        )
        return [_stored(found) for page in pages for found in page.get("Contents", ())]

    def page(self, after: str, limit: int) -> list[StoredObject]:
        beginning: dict[str, Any] = {"StartAfter": after} if after else {}
        found = self.client.list_objects_v2(Bucket=self.bucket_name, MaxKeys=limit, **beginning)
        return [_stored(one) for one in found.get("Contents", ())]

    def unfinished(self, *, before: datetime) -> list[str]:
        pages = self.client.get_paginator("list_multipart_uploads").paginate(
            Bucket=self.bucket_name
        )
        begun = [upload for page in pages for upload in page.get("Uploads", ())]
        return [
            f"{upload['UploadId']} {upload['Key']}"
            for upload in begun
            if upload["Initiated"] <= before
        ]

    def remove_unfinished(self, name: str, /) -> bool:
        upload_id, _, key = name.partition(" ")
        try:
            self._abort(key, upload_id)
        except ObjectMissingError:
            return False
        return True

    def _abort(self, key: str, upload_id: str) -> None:
        try:
            self.client.abort_multipart_upload(
                Bucket=self.bucket_name, Key=checked_key(key), UploadId=upload_id
            )
        except ClientError as exc:
            raise _translated(exc) from exc

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
            Params={"Bucket": self.bucket_name, "Key": signable_key(key), **bound},
            ExpiresIn=settings.PRESIGNED_URL_SECONDS if expires is None else expires,
        )


def _stored(found: "ObjectTypeDef") -> StoredObject:
    return StoredObject(
        key=found["Key"], modified_at=found["LastModified"], size_bytes=found["Size"]
    )


def _translated(exc: ClientError) -> Exception:
    missing = exc.response.get("Error", {}).get("Code") in MISSING_CODES
    return ObjectMissingError() if missing else exc
