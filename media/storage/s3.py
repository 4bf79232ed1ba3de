"""Store objects on AWS S3 or a compatible service, with presigned URLs (version 4)."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from botocore.config import Config
from botocore.exceptions import ClientError
from django.conf import settings
from storages.backends.s3 import S3Storage

from media.file_names import build_content_disposition
from media.storage import (
    ObjectInfo,
    ObjectMissingError,
    ObjectTooLargeError,
    StoredObject,
    check_key,
    get_write_seconds,
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
    # R2 and other services do not support all of the newer checksums that boto3 adds by default.
    request_checksum_calculation="when_required",
    response_checksum_validation="when_required",
)


class PresignedS3Storage(S3Storage):
    """django-storages' S3 storage with presigned PUT and GET.

    ``public_endpoint_url`` is the address for clients, if it differs from ``endpoint_url``.
    """

    client_config: Config

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.client_config = self.client_config.merge(TRANSPORT)

    def get_default_settings(self) -> dict[str, Any]:
        return super().get_default_settings() | {"public_endpoint_url": None}

    @cached_property
    def client(self) -> "S3Client":
        """The client for our own requests. Threads may share boto3's clients."""
        return self._create_client(self.endpoint_url)

    @cached_property
    def signer(self) -> "S3Client":
        """The client that signs URLs for the public address."""
        public_url = self.public_endpoint_url
        return self._create_client(public_url) if public_url else self.client

    def presigned_put(
        self,
        key: str,
        *,
        content_type: str,
        size_bytes: int | None = None,
        once: bool = False,
        expires: int | None = None,
    ) -> str:
        parameters: dict[str, Any] = {"ContentType": content_type}
        if size_bytes is not None:
            parameters["ContentLength"] = size_bytes
        if once:
            parameters["IfNoneMatch"] = "*"
        return self._sign_url(
            self.signer, "put_object", key, get_write_seconds(expires), **parameters
        )

    def presigned_get(
        self, key: str, *, filename: str | None = None, expires: int | None = None
    ) -> str:
        disposition = build_content_disposition(filename)
        return self._sign_url(
            self.signer, "get_object", key, expires, ResponseContentDisposition=disposition
        )

    def probe_source(self, key: str) -> str:
        """Return a signed URL at our internal address."""
        return self._sign_url(self.client, "get_object", key, None)

    def head(self, key: str) -> ObjectInfo:
        try:
            response = self.client.head_object(Bucket=self.bucket_name, Key=check_key(key))
        except ClientError as exc:
            raise _translate_error(exc) from exc
        return ObjectInfo(
            size_bytes=response["ContentLength"], content_type=response["ContentType"]
        )

    def read(self, key: str, max_bytes: int) -> bytes:
        try:
            response = self.client.get_object(Bucket=self.bucket_name, Key=check_key(key))
        except ClientError as exc:
            raise _translate_error(exc) from exc
        with response["Body"] as body:
            if response["ContentLength"] > max_bytes:
                raise ObjectTooLargeError
            return body.read()

    def read_range(self, key: str, offset: int, size_bytes: int) -> bytes:
        byte_range = f"bytes={offset}-{offset + size_bytes - 1}"
        try:
            response = self.client.get_object(
                Bucket=self.bucket_name, Key=check_key(key), Range=byte_range
            )
        except ClientError as exc:
            raise _translate_error(exc) from exc
        with response["Body"] as body:
            return body.read()

    def write(self, key: str, content: bytes, content_type: str) -> None:
        self.client.put_object(
            Bucket=self.bucket_name, Key=check_key(key), Body=content, ContentType=content_type
        )

    def delete(self, name: str) -> None:
        self.client.delete_object(Bucket=self.bucket_name, Key=check_key(name))

    def begin_parts(self, key: str, *, content_type: str) -> str:
        response = self.client.create_multipart_upload(
            Bucket=self.bucket_name, Key=check_key(key), ContentType=content_type
        )
        return response["UploadId"]

    def presigned_part(
        self,
        key: str,
        upload_id: str,
        *,
        number: int,
        size_bytes: int,
        expires: int | None = None,
    ) -> str:
        parameters = {"UploadId": upload_id, "PartNumber": number, "ContentLength": size_bytes}
        return self._sign_url(
            self.signer, "upload_part", key, get_write_seconds(expires), **parameters
        )

    def write_part(self, key: str, upload_id: str, number: int, content: bytes, /) -> None:
        try:
            self.client.upload_part(
                Bucket=self.bucket_name,
                Key=check_key(key),
                UploadId=upload_id,
                PartNumber=number,
                Body=content,
            )
        except ClientError as exc:
            raise _translate_error(exc) from exc

    def list_stored_parts(self, key: str, upload_id: str) -> list[StoredPart]:
        pages = self.client.get_paginator("list_parts").paginate(
            Bucket=self.bucket_name, Key=check_key(key), UploadId=upload_id
        )
        try:
            parts = [part for page in pages for part in page.get("Parts", ())]
        except ClientError as exc:
            raise _translate_error(exc) from exc
        return [StoredPart(part["PartNumber"], part["Size"], part["ETag"]) for part in parts]

    def join_parts(self, key: str, upload_id: str, parts: Sequence[StoredPart], /) -> None:
        try:
            self.client.complete_multipart_upload(
                Bucket=self.bucket_name,
                Key=check_key(key),
                UploadId=upload_id,
                MultipartUpload={
                    "Parts": [{"PartNumber": part.number, "ETag": part.etag} for part in parts]
                },
            )
        except ClientError as exc:
            raise _translate_error(exc) from exc

    def abort_parts(self, key: str, upload_id: str, /) -> None:
        with suppress(ObjectMissingError):
            self._abort_upload(key, upload_id)

    def list_objects(self, prefix: str) -> list[StoredObject]:
        folder = f"{check_key(prefix.removesuffix('/'))}/"
        pages = self.client.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket_name, Prefix=folder
        )
        return [_build_stored_object(entry) for page in pages for entry in page.get("Contents", ())]

    def list_page(self, after: str, limit: int) -> list[StoredObject]:
        start_parameters: dict[str, Any] = {"StartAfter": after} if after else {}
        response = self.client.list_objects_v2(
            Bucket=self.bucket_name, MaxKeys=limit, **start_parameters
        )
        return [_build_stored_object(entry) for entry in response.get("Contents", ())]

    def list_unfinished(self, *, before: datetime) -> list[str]:
        pages = self.client.get_paginator("list_multipart_uploads").paginate(
            Bucket=self.bucket_name
        )
        uploads = [upload for page in pages for upload in page.get("Uploads", ())]
        return [
            f"{upload['UploadId']} {upload['Key']}"
            for upload in uploads
            if upload["Initiated"] <= before
        ]

    def remove_unfinished(self, name: str, /) -> bool:
        upload_id, _, key = name.partition(" ")
        try:
            self._abort_upload(key, upload_id)
        except ObjectMissingError:
            return False
        return True

    def _abort_upload(self, key: str, upload_id: str) -> None:
        try:
            self.client.abort_multipart_upload(
                Bucket=self.bucket_name, Key=check_key(key), UploadId=upload_id
            )
        except ClientError as exc:
            raise _translate_error(exc) from exc

    def check(self) -> None:
        """Raise boto's error unless the bucket can be reached."""
        self.client.head_bucket(Bucket=self.bucket_name)

    def _create_client(self, endpoint_url: str | None) -> "S3Client":
        return self._create_session().client(
            "s3",
            region_name=self.region_name,
            use_ssl=self.use_ssl,
            endpoint_url=endpoint_url,
            config=self.client_config,
            verify=self.verify,
        )

    def _sign_url(
        self, client: "S3Client", operation: str, key: str, expires: int | None, **parameters: Any
    ) -> str:
        return client.generate_presigned_url(
            operation,
            Params={"Bucket": self.bucket_name, "Key": check_key(key), **parameters},
            ExpiresIn=settings.PRESIGNED_URL_SECONDS if expires is None else expires,
        )


def _build_stored_object(entry: "ObjectTypeDef") -> StoredObject:
    return StoredObject(
        key=entry["Key"], modified_at=entry["LastModified"], size_bytes=entry["Size"]
    )


def _translate_error(exc: ClientError) -> Exception:
    is_missing = exc.response.get("Error", {}).get("Code") in MISSING_CODES
    return ObjectMissingError() if is_missing else exc
