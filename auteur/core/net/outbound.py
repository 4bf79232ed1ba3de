"""Checks of requests to URLs that users chose, made when a socket connects.

A name may change its address at any time, so `connector` checks the address of each new socket, and
nothing is resolved between check and use. `validate_url` reports errors in the URL itself at once.
"""

import asyncio
import ipaddress
import re
import socket
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from urllib.parse import urlsplit

import aiohttp
import aiohttp.abc
from aiohttp import AddrInfoType
from aiohttp.client_proto import ResponseHandler
from django.conf import settings
from yarl import URL

from gpu_tasks.runtime.errors import AuteurError

MAX_URL_LENGTH = 2000

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_UNPRINTABLE = re.compile(r"[\s\\\x00-\x1f\x7f]")
LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
_LOCAL = ("localhost", "local", "internal", "intranet", "lan", "home", "corp", "arpa")
_GLOBAL_UNICAST = IPv6Network("2000::/3")
_NAT64 = IPv6Network("64:ff9b::/96")
# Tunnels to any IPv4 address, and networks that the standard library wrongly calls global.
_REFUSED = tuple(
    map(
        ipaddress.ip_network,
        (
            "2001::/23",  # Teredo, and other ranges without hosts
            "2001:db8::/32",
            "2002::/16",  # 6to4
            "3fff::/20",  # documentation
            "192.0.0.0/24",
            "192.88.99.0/24",  # relays of 6to4
            "198.18.0.0/15",
            "100.64.0.0/10",
            # These are registered as public, but a cloud answers them for its own machines only.
            "161.26.0.0/16",  # IBM: infrastructure services
            "166.8.0.0/14",  # IBM: endpoints of its services
            "168.63.129.16/32",  # Azure: the machine's host, with its credentials
            "240.0.0.0/4",
        ),
    )
)


class RefusedURLError(AuteurError):
    """A URL that we do not call. ``code`` and the message are for its owner."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class RefusedAddressError(AuteurError, OSError):
    """An address outside the public internet."""


@dataclass(frozen=True)
class AddressPolicy:
    """The URLs and addresses that may be called."""

    schemes: Collection[str] = ("https",)
    ports: Sequence[range] = (range(443, 444),)
    hosts_refused: Collection[str] = ()
    """Our own names. One that begins with a dot stands for all names below it."""
    networks_refused: Sequence[Network] = ()
    """Our own public addresses."""
    networks_allowed: Sequence[Network] = ()
    """Exceptions to the rules. If there are any, names need not be public either."""

    def allows(self, address: Address) -> bool:
        """Return True if we may connect to the address."""
        if _is_in_networks(address, self.networks_allowed):
            return True
        return is_public(address) and not _is_in_networks(
            _unwrap_ipv4(address), self.networks_refused
        )


def list_own_hosts() -> list[str]:
    """Return our own names of the settings, except loopback, which receivers in development use."""
    names = [urlsplit(settings.PUBLIC_URL).hostname or "", *settings.ALLOWED_HOSTS]
    return [name.lower() for name in names if name not in ("", "*", *LOOPBACK)]


def is_public(address: Address) -> bool:
    """Return True for a public host, by the address itself and by an IPv4 address inside it."""
    unwrapped = _unwrap_ipv4(address)
    if _is_in_networks(unwrapped, _REFUSED) or unwrapped.is_multicast or not unwrapped.is_global:
        return False
    return unwrapped.version == 4 or unwrapped in _GLOBAL_UNICAST


def _unwrap_ipv4(address: Address) -> Address:
    """Return the IPv4 address that an IPv6 address leads to, or else the address itself."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address in _NAT64:
            return IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def _is_in_networks(address: Address, networks: Sequence[Network]) -> bool:
    return any(address.version == network.version and address in network for network in networks)


def validate_url(text: str, policy: AddressPolicy, *, max_length: int = MAX_URL_LENGTH) -> str:
    """Return the URL as it is called, its name in ASCII. Raise ``RefusedURLError``."""
    too_long = RefusedURLError(
        "url_too_long", f"The URL is too long. Use at most {max_length} characters."
    )
    if len(text) > max_length:
        raise too_long
    if _UNPRINTABLE.search(text):
        raise RefusedURLError(
            "invalid_url", "A URL must have no spaces, backslashes or control characters."
        )
    try:
        url = URL(text)
        port = url.port
    except (ValueError, IndexError) as exc:  # yarl raises IndexError for `http://[::1]x@`.
        raise RefusedURLError(
            "invalid_url", "This is not a valid URL. Use the form https://example.com/path."
        ) from exc
    _check_parts(url, port, policy)
    _check_host(url.raw_host or "", policy)
    normalized = str(url)
    if len(normalized) > max_length:
        raise too_long
    return normalized


def _check_parts(url: URL, port: int | None, policy: AddressPolicy) -> None:
    if url.scheme not in policy.schemes:
        schemes = " or ".join(f"{scheme}://" for scheme in policy.schemes)
        raise RefusedURLError("scheme_refused", f"The URL must begin with {schemes}.")
    if not url.raw_host:
        raise RefusedURLError(
            "invalid_url", "The URL has no host. Use the form https://example.com/path."
        )
    if url.raw_user is not None or url.raw_password is not None:
        raise RefusedURLError("credentials_refused", "The URL must have no user name or password.")
    if url.raw_fragment:
        raise RefusedURLError("fragment_refused", "The URL must have no fragment (#).")
    if not any(port in ports for ports in policy.ports):
        raise RefusedURLError("port_refused", f"Port {port} is not allowed. Use another port.")


def _check_host(host: str, policy: AddressPolicy) -> None:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        _check_name(host.removesuffix(".").lower(), policy)
        return
    if not policy.allows(address):
        raise RefusedURLError("address_refused", f"{host} is not on the public internet.")


def _check_name(name: str, policy: AddressPolicy) -> None:
    for refused_host in policy.hosts_refused:
        if name == refused_host or (
            refused_host.startswith(".") and f".{name}".endswith(refused_host)
        ):
            raise RefusedURLError(
                "host_refused", f"{name} is an address of this service, which it does not call."
            )
    first, _, last = name.rpartition(".")
    # The parser above takes `127.1` and `0x7f.1` for names, but the system for addresses.
    if re.fullmatch(r"\d+|0x[0-9a-f]*", last):
        raise RefusedURLError("invalid_url", f"{name} is neither a host name nor an IP address.")
    if (not first or last in _LOCAL) and not policy.networks_allowed:
        raise RefusedURLError("host_refused", f"{name} is not a name of the public internet.")


class _Bounded(ResponseHandler):
    """A connection that accepts a limited number of bytes, whatever they are.

    The client itself accepts interim responses (1xx) without a limit.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, max_bytes: int) -> None:
        super().__init__(loop)
        self._remaining = max_bytes

    def data_received(self, data: bytes) -> None:
        """Pass on the bytes within the limit, then stop reading."""
        if self._remaining > 0:
            super().data_received(data[: self._remaining])
        self._remaining -= len(data)
        if self._remaining <= 0 and isinstance(self.transport, asyncio.ReadTransport):
            self.transport.pause_reading()


class PooledResolver(aiohttp.abc.AbstractResolver):
    """A resolver with threads of its own.

    A name that hangs holds one of them for up to a minute, whatever the request's time limit.
    """

    def __init__(self, threads: int) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="resolver")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[aiohttp.abc.ResolveResult]:
        """Return the name's addresses. Raise ``OSError`` if it has none."""
        lookup = partial(
            socket.getaddrinfo,
            host,
            port,
            family=family,
            type=socket.SOCK_STREAM,
            flags=socket.AI_ADDRCONFIG,
        )
        infos = await asyncio.get_running_loop().run_in_executor(self._pool, lookup)
        return [
            aiohttp.abc.ResolveResult(
                hostname=host,
                host=str(address[0]),
                port=int(address[1]),
                family=address_family,
                proto=protocol,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for address_family, _, protocol, _, address in infos
        ]

    async def close(self) -> None:
        """Shut down without waiting for any thread."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def build_connector(
    policy: AddressPolicy, *, max_bytes: int, resolver: aiohttp.abc.AbstractResolver | None = None
) -> aiohttp.TCPConnector:
    """Return a connector for an aiohttp session that connects only to what the policy allows.

    It resolves and connects anew for each request, and accepts at most ``max_bytes`` bytes of a
    response, its head included. Refused addresses raise ``RefusedAddressError``, perhaps as the
    cause of aiohttp's error.
    """

    def checked_socket(info: AddrInfoType) -> socket.socket:
        family, kind, protocol, _, socket_address = info
        if not policy.allows(ipaddress.ip_address(socket_address[0])):
            raise RefusedAddressError("This address is not on the public internet.")
        return socket.socket(family, kind, protocol)

    aiohttp_connector = aiohttp.TCPConnector(
        resolver=resolver,
        use_dns_cache=False,
        limit=0,
        force_close=True,
        socket_factory=checked_socket,
    )
    bounded = partial(_Bounded, loop=asyncio.get_running_loop(), max_bytes=max_bytes)
    aiohttp_connector._factory = bounded  # type: ignore[assignment]  # a ResponseHandler of ours
    return aiohttp_connector
