"""The tables of staff's second factors, and of their sign-ins and refusals."""

import hashlib
import logging
import re
import secrets
import time
from base64 import b32encode
from typing import ClassVar

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now
from django_otp.models import Device
from django_otp.oath import TOTP

from auteur.core import encryption

logger = logging.getLogger(__name__)

PURPOSE = "second-factors"
"""The purpose under which the secrets are encrypted."""
SECRET_BYTES = 20
"""The output length of SHA-1 (RFC 4226, 4)."""
STEP_SECONDS, DIGITS, TOLERANCE = 30, 6, 1
"""A code is valid in its own step and one before and after, because clocks differ."""
CODE = re.compile(rf"[0-9]{{{DIGITS}}}")
RECOVERY_CODES = 10
RECOVERY_CODE_BYTES = 10


class Authenticator(Device):
    """A user's app that shows a new code every 30 seconds (TOTP, RFC 6238).

    A user has at most one confirmed and one pending authenticator.
    """

    secret = models.BinaryField(help_text="The encrypted secret that the app shares.")
    last_step = models.BigIntegerField(
        default=-1,
        db_default=-1,
        help_text="The step of the last used code. It and older codes are used up.",
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        db_table = "staff_authenticators"
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["user", "confirmed"], name="staff_authenticators_one_of_each"
            ),
        ]

    @property
    def plain_secret(self) -> bytes:
        """Return the decrypted secret; raises ``UnreadableSecretError``."""
        return encryption.decrypt(self.secret, purpose=PURPOSE)

    def verify_token(self, token: str) -> bool:
        """Return True for a current code that was not used before, and use it up."""
        token = token.replace(" ", "")
        if not CODE.fullmatch(token):
            return False
        try:
            secret = self.plain_secret
        except encryption.UnreadableSecretError:
            logger.warning("the authenticator of user %s cannot be read", self.user_id)
            return False
        totp = TOTP(secret, step=STEP_SECONDS, digits=DIGITS)
        totp.time = time.time()
        if not totp.verify(int(token), tolerance=TOLERANCE, min_t=self.last_step + 1):
            return False
        self.last_step = totp.t()
        self.save(update_fields=["last_step"])
        return True


class RecoveryCodes(Device):
    """A user's recovery codes for a lost app; each works once. Only hashes are stored."""

    hashes = ArrayField(models.CharField(max_length=64), default=list)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        db_table = "staff_recovery_codes"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["user"], name="staff_recovery_codes_one_set"),
        ]

    def verify_token(self, token: str) -> bool:
        """Return True for an unused code, and use it up."""
        digest = _hash_code(token)
        if digest not in self.hashes:
            return False
        self.hashes.remove(digest)
        self.save(update_fields=["hashes"])
        return True

    def renew(self) -> list[str]:
        """Replace the codes and return the new ones; the caller saves the row."""
        codes = [_generate_code() for _ in range(RECOVERY_CODES)]
        self.hashes = [_hash_code(code) for code in codes]
        return codes


def _generate_code() -> str:
    text = b32encode(secrets.token_bytes(RECOVERY_CODE_BYTES)).decode().lower()
    return "-".join(text[start : start + 4] for start in range(0, len(text), 4))


def _hash_code(code: str) -> str:
    # A plain hash is enough, because the codes are long and random.
    plain = code.replace("-", "").replace(" ", "").lower()
    return hashlib.sha256(plain.encode()).hexdigest()


class EventKind(models.TextChoices):
    """The kind of a staff event."""

    SIGNED_IN = "signed_in", "Signed in with a password"
    SIGN_IN_FAILED = "sign_in_failed", "Sign-in refused"
    SIGNED_OUT = "signed_out", "Signed out"
    ENROLLED = "second_factor_enrolled", "Second factor enrolled"
    VERIFIED = "second_factor_verified", "Second factor given"
    VERIFICATION_FAILED = "second_factor_failed", "Second factor refused"
    RESET = "second_factor_reset", "Second factor removed"
    IDENTITY_CONFIRMED = "identity_confirmed", "Identity confirmed again"
    IDENTITY_FAILED = "identity_failed", "Identity not confirmed"
    REFUSED = "refused", "Page or action refused"


class StaffEvent(models.Model):
    """An event of the record; a trigger and missing rights prevent its change and deletion."""

    id = models.BigAutoField(primary_key=True)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,
        help_text="Null if the address belongs to no account.",
    )
    kind = models.CharField(max_length=50, choices=EventKind)
    address = models.CharField(max_length=64, blank=True, help_text="Where the request came from.")
    path = models.CharField(
        max_length=200, blank=True, help_text="The path of the refused page or action."
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        db_table = "staff_events"
        indexes: ClassVar = [
            models.Index(fields=["user", "-created_at"], name="staff_events_of_user"),
            models.Index(fields=["-created_at"], name="staff_events_by_age"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}, {self.created_at:%Y-%m-%d %H:%M:%S}"
