"""Redis as providers keep it: a user of an ACL, and TLS with a certificate of their own.

The bundled Redis is built without TLS, so it ends before it, as at many providers.
"""

import asyncio
import ipaddress
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from auteur.devstack import ports, services
from auteur.devstack.supervisor import Supervisor

USER, PASSWORD = "auteur", "p@ss/w:rd"
ACL = f"user default off\nuser {USER} on >{PASSWORD} ~* &* +@all -@admin -@dangerous +info +keys\n"


@contextmanager
def managed_redis(folder: Path) -> Iterator[str]:
    """The URL of such a Redis; the file `ca.pem` in ``folder`` is what its clients must trust."""
    folder.mkdir(parents=True, exist_ok=True)
    inner, outer = ports.find_free_ports(2)
    process = services.build_redis(folder, inner, "replaced", throwaway=True)
    config = folder / "redis.conf"
    config.write_text(f"{config.read_text()}{ACL}".replace("requirepass replaced\n", ""))
    announced = replace(process, ready=None, announcement="Ready to accept connections")
    supervisor = Supervisor([announced], folder, report=lambda line: None)
    try:
        supervisor.start(20)
        with tls_before(inner, outer, make_certificate(folder, "ca")):
            yield f"rediss://{USER}:p%40ss%2Fw%3Ard@localhost:{outer}/0"
    finally:
        supervisor.stop(3)


def make_certificate(folder: Path, name: str, host: str = "localhost") -> tuple[Path, Path]:
    """A certificate for this machine, or another ``host``, signed by itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    names: list[x509.GeneralName] = [x509.DNSName(host)]
    if host == "localhost":
        names.append(x509.IPAddress(ipaddress.ip_address("127.0.0.1")))
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    files = folder / f"{name}.pem", folder / f"{name}.key"
    pem = serialization.Encoding.PEM
    files[0].write_bytes(certificate.public_bytes(pem))
    traditional = serialization.PrivateFormat.TraditionalOpenSSL
    files[1].write_bytes(key.private_bytes(pem, traditional, serialization.NoEncryption()))
    return files


@contextmanager
def tls_before(inner: int, outer: int, files: tuple[Path, Path]) -> Iterator[None]:
    """A server's port once more, with TLS."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*files)
    loop = asyncio.new_event_loop()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            behind, before = await asyncio.open_connection("127.0.0.1", inner)
            await asyncio.gather(_pass_on(reader, before), _pass_on(behind, writer))

    serving = asyncio.start_server(handle, "127.0.0.1", outer, ssl=context)
    loop.run_until_complete(serving)
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    yield
    loop.call_soon_threadsafe(loop.stop)
    thread.join()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()
