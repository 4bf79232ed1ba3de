"""An identity provider on loopback: real keys, a real JWKS over HTTP, real signatures."""

import json
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.conf import settings
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


class Provider:
    """Signs tokens and publishes its keys; can rotate them, fall silent and go away."""

    def __init__(self) -> None:
        self.keys: dict[str, PrivateKey] = {}
        self.published: list[dict[str, Any]] = []
        self.body: bytes | None = None
        self.answers = threading.Event()
        """While it is cleared, nobody is answered."""
        self.answers.set()
        self.fetches = 0
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                provider.fetches += 1
                provider.answers.wait()
                body = provider.body or json.dumps({"keys": provider.published}).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: Any) -> None:
                """Keep the test output clean."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/auth/v1/.well-known/jwks.json"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def add_key(self, algorithm: str = "ES256", **fields: Any) -> str:
        """Publish a new key; its id."""
        key_id = uuid.uuid4().hex
        key: PrivateKey
        if algorithm == "ES256":
            key = ec.generate_private_key(ec.SECP256R1())
            jwk = ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
        else:
            key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
            jwk = RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
        self.keys[key_id] = key
        published = {**jwk, "kid": key_id, "alg": algorithm, "use": "sig", **fields}
        self.published.append({k: v for k, v in published.items() if v is not None})
        return key_id

    def withdraw(self, key_id: str) -> None:
        self.published = [jwk for jwk in self.published if jwk["kid"] != key_id]

    def sign(self, key_id: str, algorithm: str = "ES256", **overrides: Any) -> str:
        """A token of this key; ``overrides`` change claims."""
        return jwt.encode(
            claims(**overrides), self.keys[key_id], algorithm=algorithm, headers={"kid": key_id}
        )

    def public_pem(self, key_id: str) -> bytes:
        public = self.keys[key_id].public_key()
        return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    def go_away(self) -> None:
        self.answers.set()
        self._server.shutdown()
        self._server.server_close()


def claims(**overrides: Any) -> dict[str, Any]:
    """What a Supabase token says; ``None`` leaves a claim out."""
    now = int(time.time())
    sub = str(uuid.uuid4())
    body = {
        "sub": sub,
        "email": f"{sub[:8]}@example.com",
        "aud": settings.SUPABASE_JWT_AUDIENCE,
        "iss": settings.SUPABASE_JWT_ISSUER,
        "iat": now,
        "exp": now + 3600,
        "role": "authenticated",
    }
    return {name: value for name, value in (body | overrides).items() if value is not None}


def signed(secret: str | bytes | None = None, algorithm: str = "HS256", **overrides: Any) -> str:
    """A token of the shared secret, or of another one."""
    key = settings.SUPABASE_JWT_SECRET if secret is None else secret
    return jwt.encode(claims(**overrides), key, algorithm=algorithm)
