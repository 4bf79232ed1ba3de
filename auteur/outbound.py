"""Requests to addresses that users chose: which are allowed, checked where we connect.

A name may change its address at any time, so what counts is the address that a socket is made for:
`connector` checks it there, and nothing is resolved between. What is wrong with a URL as it stands
is told at once (`checked_url`).
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
# Tunnels that lead to any IPv4 address, and what the standard library takes for global.
_REFUSED = tuple(
    map(
        ipaddress.ip_network,
        (
            "2001::/23",  # Teredo, among others that are no hosts
            "2001:db8::/32",
            "2002::/16",  # 6to4
            "3fff::/20",  # documentation
            "192.0.0.0/24",
            "192.88.99.0/24",  # relays of 6to4
            "198.18.0.0/15",
            "100.64.0.0/10",
            # Public by their registration, answered by a cloud to its own machines alone.
            "161.26.0.0/16",  # IBM: infrastructure services
            "166.8.0.0/14",  # IBM: endpoints of its services
            "168.63.129.16/32",  # Azure: the machine's host, with its credentials
            "240.0.0.0/4",
        ),
    )
)


class RefusedURLError(AuteurError):
    """The URL cannot be one that we call; ``code`` and the message are for its owner."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class RefusedAddressError(AuteurError, OSError):
    """The address is not one of the public internet."""


@dataclass(frozen=True)
class AddressPolicy:
    """What may be called."""

    schemes: Collection[str] = ("https",)
    ports: Sequence[range] = (range(443, 444),)
    hosts_refused: Collection[str] = ()
    """Names of our own; one that begins with a dot stands for all below it."""
    networks_refused: Sequence[Network] = ()
    """Public addresses of our own."""
    networks_allowed: Sequence[Network] = ()
    """That would be refused; where there are any, names need not be public either."""

    def allows(self, address: Address) -> bool:
        """Whether we connect to it."""
        if _within(address, self.networks_allowed):
            return True
        return is_public(address) and not _within(_plain(address), self.networks_refused)


def own_hosts() -> list[str]:
    """Names of ours, by the settings. Loopback is none: there, development has its receivers."""
    own = [urlsplit(settings.PUBLIC_URL).hostname or "", *settings.ALLOWED_HOSTS]
    return [name.lower() for name in own if name not in ("", "*", *LOOPBACK)]


def is_public(address: Address) -> bool:
    """Whether it is a host's on the public internet, by itself and by the IPv4 address in it."""
    plain = _plain(address)
    if _within(plain, _REFUSED) or plain.is_multicast or not plain.is_global:
        return False
    return plain.version == 4 or plain in _GLOBAL_UNICAST


def _plain(address: Address) -> Address:
    """The IPv4 address that an IPv6 address leads to, if it does."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address in _NAT64:
            return IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def _within(address: Address, networks: Sequence[Network]) -> bool:
    return any(address.version == one.version and address in one for one in networks)


def checked_url(text: str, policy: AddressPolicy, *, max_length: int = MAX_URL_LENGTH) -> str:
    """The URL as it will be called, its name in ASCII; raises ``RefusedURLError``."""
    too_long = RefusedURLError("url_too_long", f"A URL has at most {max_length} characters.")
    if len(text) > max_length:
        raise too_long
    if _UNPRINTABLE.search(text):
        raise RefusedURLError("invalid_url", "A URL has no spaces or backslashes.")
    try:
        url = URL(text)
        port = url.port
    except (ValueError, IndexError) as exc:  # `http://[::1]x@` makes yarl stumble
        raise RefusedURLError("invalid_url", "This is no URL.") from exc
    _check_parts(url, port, policy)
    _check_host(url.raw_host or "", policy)
    called = str(url)
    if len(called) > max_length:
        raise too_long
    return called


def _check_parts(url: URL, port: int | None, policy: AddressPolicy) -> None:
    if url.scheme not in policy.schemes:
        wanted = " or ".join(f"{scheme}://" for scheme in policy.schemes)
        raise RefusedURLError("scheme_refused", f"A URL begins with {wanted}.")
    if not url.raw_host:
        raise RefusedURLError("invalid_url", "The URL names no host.")
    if url.raw_user is not None or url.raw_password is not None:
        raise RefusedURLError("credentials_refused", "A URL holds no user name or password.")
    if url.raw_fragment:
        raise RefusedURLError("fragment_refused", "A URL that is called has no fragment (#).")
    if not any(port in ports for ports in policy.ports):
        raise RefusedURLError("port_refused", f"We do not call port {port}.")


def _check_host(host: str, policy: AddressPolicy) -> None:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        _check_name(host.removesuffix(".").lower(), policy)
        return
    if not policy.allows(address):
        raise RefusedURLError("address_refused", "This address is not on the public internet.")


def _check_name(name: str, policy: AddressPolicy) -> None:
    for refused in policy.hosts_refused:
        if name == refused or (refused.startswith(".") and f".{name}".endswith(refused)):
            raise RefusedURLError("host_refused", "We do not call ourselves.")
    first, _, last = name.rpartition(".")
    # `127.1` and `0x7f.1` are names to us and addresses to the system.
    if re.fullmatch(r"\d+|0x[0-9a-f]*", last):
        raise RefusedURLError("invalid_url", "This is neither a name nor an address.")
    if (not first or last in _LOCAL) and not policy.networks_allowed:
        raise RefusedURLError("host_refused", "This name is not one of the public internet.")


class _Bounded(ResponseHandler):
    """Takes so many bytes of a connection, and no more, whatever they are.

    The client itself takes interim answers (1xx) without an end.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, most: int) -> None:
        super().__init__(loop)
        self._left = most

    def data_received(self, data: bytes) -> None:
        """Go on with what is left; then let the sender wait."""
        if self._left > 0:
            super().data_received(data[: self._left])
        self._left -= len(data)
        if self._left <= 0 and isinstance(self.transport, asyncio.ReadTransport):
            self.transport.pause_reading()


class PooledResolver(aiohttp.abc.AbstractResolver):
    """Resolves names in threads of its own: a name that hangs holds one of them for up to a minute,
    whatever the request's time limit.
    """

    def __init__(self, threads: int) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="resolver")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[aiohttp.abc.ResolveResult]:
        """Return the name's addresses; raises ``OSError``."""
        look_up = partial(
            socket.getaddrinfo,
            host,
            port,
            family=family,
            type=socket.SOCK_STREAM,
            flags=socket.AI_ADDRCONFIG,
        )
        infos = await asyncio.get_running_loop().run_in_executor(self._pool, look_up)
        return [
            aiohttp.abc.ResolveResult(
                hostname=host,
                host=str(address[0]),
                port=int(address[1]),
                family=kind,
                proto=protocol,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for kind, _, protocol, _, address in infos
        ]

    async def close(self) -> None:
        """Wait for no thread."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def connector(
    policy: AddressPolicy, *, most: int, resolver: aiohttp.abc.AbstractResolver | None = None
) -> aiohttp.TCPConnector:
    """For a session of aiohttp's: resolves and connects anew for each request, to what the policy
    allows, and takes at most so many bytes of an answer, its head included.

    Everything else fails with ``RefusedAddressError``, perhaps as the cause of aiohttp's error.
    """

    def checked_socket(info: AddrInfoType) -> socket.socket:
        family, kind, protocol, _, where = info
        if not policy.allows(ipaddress.ip_address(where[0])):
            raise RefusedAddressError("This address is not on the public internet.")
        return socket.socket(family, kind, protocol)

    made = aiohttp.TCPConnector(
        resolver=resolver,
        use_dns_cache=False,
        limit=0,
        force_close=True,
        socket_factory=checked_socket,
    )
    bounded = partial(_Bounded, loop=asyncio.get_running_loop(), most=most)
    made._factory = bounded  # type: ignore[assignment]  # a ResponseHandler of ours
    return made
