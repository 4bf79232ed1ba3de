"""Which addresses of users are called, and that what is checked is what we connect to."""

import asyncio
import ipaddress
import socket
from typing import Any

import aiohttp
import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from auteur.core.net.outbound import (
    MAX_URL_LENGTH,
    AddressPolicy,
    RefusedAddressError,
    RefusedURLError,
    build_connector,
    is_public,
    validate_url,
)
from tests.jobs.integrations.webhooks.receiver import Receiver

STRICT = AddressPolicy(hosts_refused=("api.auteur.example", ".ours.example"))
PUBLIC = (
    "8.8.8.8",
    "168.63.129.15",
    "166.12.0.1",
    "2606:4700::1111",
    "::ffff:8.8.8.8",
    "64:ff9b::808:808",
)
NOT_PUBLIC = (
    "0.0.0.0",  # noqa: S104
    "10.0.0.1",
    "100.64.0.1",
    "100.100.100.200",  # Alibaba's metadata
    "127.0.0.1",
    "127.255.255.254",
    "161.26.0.10",  # IBM's services
    "166.11.255.255",
    "168.63.129.16",  # Azure's host
    "169.254.169.254",
    "172.16.0.1",
    "192.0.0.8",
    "192.0.0.192",  # Oracle's metadata
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:168.63.129.16",
    "::ffff:169.254.169.254",
    "64:ff9b::7f00:1",
    "64:ff9b::a83f:8110",
    "64:ff9b:1::1",
    "2001::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:808:808::",
    "3fff::1",
    "fc00::1",
    "fd00:ec2::254",  # Amazon's metadata
    "fd20:ce::254",  # Google's
    "fe80::1",
    "fe80::1%1",
    "fec0::1",
    "ff02::1",
)


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses(address):
    assert is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_addresses_that_are_not_public(address):
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    ("values", "called"),
    [
        ("https://example.com/a?b=c", "https://example.com/a?b=c"),
        ("HTTPS://Example.COM:443/", "https://example.com/"),
        ("https://bücher.example/ä", "https://xn--bcher-kva.example/%C3%A4"),
        ("https://8.8.8.8/", "https://8.8.8.8/"),
        ("https://not-ours.example/", "https://not-ours.example/"),
    ],
)
def test_urls_are_kept_as_they_are_called(values, called):
    assert validate_url(values, STRICT) == called
    assert validate_url(called, STRICT) == called


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("", "scheme_refused"),
        ("example.com", "scheme_refused"),
        ("//example.com/", "scheme_refused"),
        ("http://example.com/", "scheme_refused"),
        ("file:///etc/passwd", "scheme_refused"),
        ("gopher://example.com/", "scheme_refused"),
        ("https://", "invalid_url"),
        ("https:///path", "invalid_url"),
        ("https://[::1/", "invalid_url"),
        ("https://[::1]x@", "invalid_url"),
        ("https://example.com:0x1bb/", "invalid_url"),
        ("https://example.com:70000/", "invalid_url"),
        ("https://exam ple.com/", "invalid_url"),
        ("https://example.com/\n", "invalid_url"),
        ("https://example.com\\@127.0.0.1/", "invalid_url"),
        ("https://me@example.com/", "credentials_refused"),
        ("https://me:pass@example.com/", "credentials_refused"),
        ("https://:@example.com/", "credentials_refused"),
        ("https://example.com/#part", "fragment_refused"),
        ("https://example.com:22/", "port_refused"),
        ("https://example.com:8443/", "port_refused"),
        ("https://127.0.0.1/", "address_refused"),
        ("https://169.254.169.254/latest/meta-data", "address_refused"),
        ("https://[::ffff:10.0.0.1]/", "address_refused"),
        ("https://[fe80::1%25eth0]/", "address_refused"),
        ("https://①②⑦.0.0.1/", "address_refused"),
        ("https://127。0。0。1/", "address_refused"),
        ("https://127.1/", "invalid_url"),
        ("https://2130706433/", "invalid_url"),
        ("https://0x7f.0.0.0x1/", "invalid_url"),
        ("https://localhost/", "host_refused"),
        ("https://ⓛocalhost/", "host_refused"),
        ("https://a.localhost/", "host_refused"),
        ("https://redis/", "host_refused"),
        ("https://metadata.google.internal./", "host_refused"),
        ("https://api.auteur.example/", "host_refused"),
        ("https://API.auteur.example./", "host_refused"),
        ("https://www.ours.example/", "host_refused"),
        ("https://ours.example/", "host_refused"),
    ],
)
def test_urls_that_are_not_called(url, code):
    with pytest.raises(RefusedURLError) as refused:
        validate_url(url, STRICT)
    assert refused.value.code == code


def test_a_url_as_long_as_it_may_be():
    url = "https://example.com/".ljust(MAX_URL_LENGTH, "x")
    assert validate_url(url, STRICT) == url
    for longer in (url + "x", "https://example.com/" + "ä" * (MAX_URL_LENGTH // 2)):
        with pytest.raises(RefusedURLError) as refused:
            validate_url(longer, STRICT)
        assert refused.value.code == "url_too_long"


def test_what_settings_open_and_close():
    opened = AddressPolicy(
        schemes=("http", "https"),
        ports=(range(8000, 9000),),
        networks_allowed=[ipaddress.ip_network("127.0.0.0/8")],
        networks_refused=[ipaddress.ip_network("8.8.8.0/24")],
    )
    for url in ("http://127.0.0.1:8000/", "http://localhost:8999/", "http://receiver:8000/"):
        assert validate_url(url, opened) == url
    for url in ("http://10.0.0.1:8000/", "http://8.8.8.8:8000/", "http://[::ffff:8.8.8.8]:8000/"):
        with pytest.raises(RefusedURLError):
            validate_url(url, opened)


class Names(AbstractResolver):
    """A name server of an attacker: each answer is another."""

    def __init__(self, *answers: str) -> None:
        self.answers = list(answers)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        address = self.answers.pop(0)
        version = ipaddress.ip_address(address).version
        result: ResolveResult = {
            "hostname": host,
            "host": address,
            "port": port,
            "family": socket.AF_INET6 if version == 6 else socket.AF_INET,
            "proto": 0,
            "flags": socket.AI_NUMERICHOST,
        }
        return [result]

    async def close(self) -> None:
        pass


async def get(policy: AddressPolicy, names: Names, *urls: str) -> list[Any]:
    """The status of each, or what was raised."""
    result: list[Any] = []
    async with aiohttp.ClientSession(
        connector=build_connector(policy, max_bytes=10_000, resolver=names)
    ) as http:
        for url in urls:
            try:
                async with http.get(url) as response:
                    result.append(response.status)
            except aiohttp.ClientConnectorError as exc:
                result.append(type(exc.os_error))
    return result


def test_no_address_that_is_not_public_is_ever_connected_to():
    names = Names(*NOT_PUBLIC)
    urls = ["https://example.com/"] * len(NOT_PUBLIC)
    assert asyncio.run(get(STRICT, names, *urls)) == [RefusedAddressError] * len(NOT_PUBLIC)
    literal = ["https://127.0.0.1/", "https://[::1]/"]
    assert asyncio.run(get(STRICT, Names(), *literal)) == [RefusedAddressError] * 2


def test_a_name_that_changes_its_address_is_asked_for_at_each_connection():
    """What passed a moment ago is refused when the name means something else."""
    with Receiver() as receiver:
        policy = AddressPolicy(networks_allowed=[ipaddress.ip_network("127.0.0.1/32")])
        names = Names("127.0.0.1", "127.0.0.2", "127.0.0.1")
        url = f"http://rebinding.example:{receiver.port}/"
        assert asyncio.run(get(policy, names, url, url, url)) == [200, RefusedAddressError, 200]
        assert receiver.connections == 2
