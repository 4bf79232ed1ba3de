"""The S3 server refuses requests when it is told to, amid the work of calls."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import boto3
import pytest
import requests
from botocore.config import Config

from auteur.devstack.ports import find_free_ports
from tests.chaos.objects import ACCESS_KEY, BUCKET, REGION, SECRET_KEY, ObjectStore

SECONDS = 20.0


@pytest.fixture
def store() -> Iterator[ObjectStore]:
    with ObjectStore(find_free_ports(1)[0]) as running:
        yield running


def signed(store: ObjectStore, operation: str, key: str) -> str:
    client = boto3.client(
        "s3",
        endpoint_url=store.url,
        region_name=REGION,
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
        config=Config(signature_version="s3v4"),
    )
    return client.generate_presigned_url(operation, Params={"Bucket": BUCKET, "Key": key})


def put(store: ObjectStore, key: str) -> int:
    url = signed(store, "put_object", key)
    return requests.put(url, data=b"content", timeout=SECONDS).status_code


def get(store: ObjectStore, key: str) -> int:
    return requests.get(signed(store, "get_object", key), timeout=SECONDS).status_code


def test_it_keeps_what_it_is_given(store: ObjectStore) -> None:
    assert put(store, "film") == 200
    answer = requests.get(signed(store, "get_object", "film"), timeout=SECONDS)
    assert answer.content == b"content"
    assert get(store, "none") == 404


def test_it_refuses_from_an_output_on_while_another_call_is_at_work(store: ObjectStore) -> None:
    put(store, "film")
    with ThreadPoolExecutor() as pool:
        refusing = pool.submit(store.refuse_amid_calls, SECONDS)
        while not store.awaits_calls:
            pass
        assert (get(store, "film"), put(store, "output 1")) == (200, 200)
        assert get(store, "film") == 200  # the only call, which has stored its output: all go on
        assert not refusing.done()
        assert (get(store, "film"), put(store, "output 2")) == (200, 200)
        assert refusing.result()
    assert [get(store, "film"), put(store, "output 3"), get(store, "film")] == [503] * 3
    assert store.refused == {"GET": 2, "PUT": 1}
    store.accept()
    assert (get(store, "film"), put(store, "output 3")) == (200, 200)


def test_where_no_call_is_at_work_it_does_not_refuse(store: ObjectStore) -> None:
    assert not store.refuse_amid_calls(0.1)
    assert put(store, "film") == 200
