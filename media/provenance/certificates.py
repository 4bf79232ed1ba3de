"""Load the certificate and key that sign content credentials, or create them for development.

Readers trust certificates that an authority of C2PA's trust list has issued. A certificate of
`make_development` chains to a new root, which only this installation trusts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from gpu_tasks.runtime.errors import AuteurError

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey
CURVES: dict[str, tuple[str, hashes.HashAlgorithm]] = {
    "secp256r1": ("ES256", hashes.SHA256()),
    "secp384r1": ("ES384", hashes.SHA384()),
    "secp521r1": ("ES512", hashes.SHA512()),
}
DEVELOPMENT_LIFE = timedelta(days=3650)
WARNING_DAYS = (30, 7, 1)
"""Days before the end of a certificate at which operators are warned."""
MIN_RSA_BITS = 2048
CLAIM_SIGNING = x509.ObjectIdentifier("1.3.6.1.4.1.62558.2.1")
"""C2PA's own purpose of a key (C2PA Specification 2, certificate profile)."""
PURPOSES = frozenset(
    {ExtendedKeyUsageOID.EMAIL_PROTECTION, x509.ObjectIdentifier("1.3.6.1.5.5.7.3.36")}
    | {CLAIM_SIGNING}
)
"""A certificate must have one of these key purposes: e-mail, documents (RFC 9336), claims."""


class UnusableCertificateError(AuteurError):
    """Raised if the certificate or its key cannot sign content credentials, with the reason.

    ``since`` is when the certificate expired, if that is the reason.
    """

    def __init__(self, message: str, *, since: datetime | None = None) -> None:
        super().__init__(message)
        self.since = since


@dataclass(frozen=True)
class Identity:
    """A certificate with its chain and its private key."""

    chain: Sequence[x509.Certificate]
    key: Key

    @property
    def certificate(self) -> x509.Certificate:
        return self.chain[0]

    @property
    def serial_number(self) -> str:
        """The serial number in decimal, as readers of credentials show it."""
        return str(self.certificate.serial_number)

    @property
    def ends_at(self) -> datetime:
        return self.certificate.not_valid_after_utc

    def warning_days(self, now: datetime) -> int | None:
        """Return the last of `WARNING_DAYS` that was reached, None before the first."""
        remaining = self.ends_at - now
        reached = [days for days in WARNING_DAYS if remaining <= timedelta(days=days)]
        return min(reached, default=None)

    @property
    def chain_pem(self) -> str:
        """The chain without its root: readers have the root, or do not trust it."""
        certificates = [
            certificate for certificate in self.chain if certificate.issuer != certificate.subject
        ] or self.chain[:1]
        return _encode_pem(certificates)

    @property
    def anchors_pem(self) -> str:
        """The trust anchor: the last certificate of the chain."""
        return _encode_pem(self.chain[-1:])

    @property
    def algorithm(self) -> str:
        """The algorithm of the signatures, by its COSE name."""
        if isinstance(self.key, ec.EllipticCurvePrivateKey):
            return CURVES[self.key.curve.name][0]
        return "PS256" if isinstance(self.key, rsa.RSAPrivateKey) else "ED25519"

    def sign(self, data: bytes) -> bytes:
        """Return the signature in COSE's format: for ECDSA, the two numbers concatenated."""
        if isinstance(self.key, ed25519.Ed25519PrivateKey):
            return self.key.sign(data)
        if isinstance(self.key, rsa.RSAPrivateKey):
            pss = padding.PSS(padding.MGF1(hashes.SHA256()), salt_length=32)
            return self.key.sign(data, pss, hashes.SHA256())
        numbers = decode_dss_signature(
            self.key.sign(data, ec.ECDSA(CURVES[self.key.curve.name][1]))
        )
        size = -(-self.key.curve.key_size // 8)
        return b"".join(number.to_bytes(size, "big") for number in numbers)

    def check(self, now: datetime | None = None) -> None:
        """Raise ``UnusableCertificateError`` unless readers accept its signatures now."""
        certificate, now = self.certificate, now or datetime.now(UTC)
        if certificate.public_key() != self.key.public_key():
            raise UnusableCertificateError("The private key does not belong to the certificate.")
        if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
            raise UnusableCertificateError(
                f"The certificate is valid from {certificate.not_valid_before_utc} to "
                f"{certificate.not_valid_after_utc}.",
                since=self.ends_at if now > self.ends_at else None,
            )
        if not PURPOSES.intersection(_list_purposes(certificate)):
            raise UnusableCertificateError(
                "The certificate lacks a key purpose for signing: e-mail, documents or claims."
            )


def _list_purposes(certificate: x509.Certificate) -> Sequence[x509.ObjectIdentifier]:
    try:
        return list(certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
    except x509.ExtensionNotFound:
        return []


def _encode_pem(certificates: Sequence[x509.Certificate]) -> str:
    encoding = serialization.Encoding.PEM
    return "".join(certificate.public_bytes(encoding).decode() for certificate in certificates)


@cache
def load_identity(path: str, key_pem: str) -> Identity:
    """Return the identity of a PEM file (the signing certificate first) and a key in PEM.

    Raises ``UnusableCertificateError``. ``Identity.check`` tests whether it is valid today.
    """
    try:
        chain = x509.load_pem_x509_certificates(Path(path).read_bytes())
        key = serialization.load_pem_private_key(key_pem.encode(), password=None)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as exc:
        # The text of the exception may quote the files' contents.
        raise UnusableCertificateError(
            f"The certificate or its key cannot be read: {type(exc).__name__}."
        ) from None
    if isinstance(key, ec.EllipticCurvePrivateKey):
        is_supported = key.curve.name in CURVES
    elif isinstance(key, rsa.RSAPrivateKey):
        is_supported = key.key_size >= MIN_RSA_BITS
    else:
        is_supported = isinstance(key, ed25519.Ed25519PrivateKey)
    if not is_supported:
        raise UnusableCertificateError(
            "The key type is not supported: use P-256, P-384, P-521, Ed25519 or RSA."
        )
    return Identity(tuple(chain), key)  # type: ignore[arg-type]


def create_development_certificate(
    *, until: datetime | None = None, name: str = "Auteur development"
) -> tuple[str, str]:
    """Return the PEM of a new chain (certificate, root) and of its key, for one installation."""
    now = datetime.now(UTC)
    until = until or now + DEVELOPMENT_LIFE
    since = min(now, until) - timedelta(days=1)
    root_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root_name, certificate_name = _build_name(f"{name} root"), _build_name(name)
    root = (
        _build_certificate(root_name, root_name, root_key, root_key, since, until)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_build_key_usage(key_cert_sign=True, crl_sign=True), critical=True)
        .sign(root_key, hashes.SHA256())
    )
    certificate = (
        _build_certificate(certificate_name, root_name, key, root_key, since, until)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_build_key_usage(digital_signature=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=True)
        .sign(root_key, hashes.SHA256())
    )
    key_pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return _encode_pem([certificate, root]), key_pem.decode()


def _build_certificate(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    issuer_key: ec.EllipticCurvePrivateKey,
    since: datetime,
    until: datetime,
) -> x509.CertificateBuilder:
    authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key())
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(since)
        .not_valid_after(until)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(authority, critical=False)
    )


def _build_name(common_name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Auteur"),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def _build_key_usage(**uses: bool) -> x509.KeyUsage:
    names = (
        *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment"),
        *("key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only"),
    )
    return x509.KeyUsage(**{name: uses.get(name, False) for name in names})
