"""The second factor of staff: enrolled, asked for, guessed at, lost."""

import re
import time
import uuid
from dataclasses import dataclass, field

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from django_otp.oath import TOTP

from accounts.models import Authenticator, RecoveryCodes, StaffEvent, User
from accounts.staff import members
from accounts.staff.models import RECOVERY_CODES, STEP_SECONDS
from accounts.staff.sessions import IDENTITY_AT
from accounts.staff.site import TOO_MANY, WRONG

PASSWORD = "correct-horse-battery"
INDEX, LOGIN = "/admin/", "/admin/login/"
SECOND_FACTOR, ENROL = "/admin/second-factor/", "/admin/second-factor/enrol/"
WRONG_CODE = "000000"


@pytest.fixture(autouse=True)
def required(settings):
    settings.STAFF_SECOND_FACTOR = True


@pytest.fixture
def colleague(db):
    user, _ = members.ensure_staff(email=f"{uuid.uuid4().hex}@example.com", password=PASSWORD)
    return user


@dataclass
class Visitor:
    """One at an address of their own, with the password."""

    user: User
    address: str = field(default_factory=lambda: uuid.uuid4().hex)
    client: Client = field(default_factory=Client)

    def get(self, url: str):
        return self.client.get(url, REMOTE_ADDR=self.address)

    def post(self, url: str, **data: str):
        return self.client.post(url, data, REMOTE_ADDR=self.address)

    def sign_in(self) -> "Visitor":
        self.client = Client()
        answer = self.post(LOGIN, username=self.user.email, password=PASSWORD, next=INDEX)
        assert answer.status_code == 302
        return self

    def give(self, code: str) -> str:
        """What the page says; nothing where it lets in."""
        answer = self.post(SECOND_FACTOR, code=code)
        return "" if answer.status_code == 302 else answer.content.decode()

    def is_in(self) -> bool:
        return self.get(INDEX).status_code == 200

    def enrol(self) -> list[str]:
        """The recovery codes."""
        page = self.get(ENROL).content.decode()
        [secret] = re.findall(r"<code[^>]*>([A-Z2-7 ]+)</code>", page)
        answer = self.post(ENROL, code=code_of(self.user, confirmed=False))
        assert len(secret.replace(" ", "")) == 32
        return re.findall(r"\b[a-z2-7]{4}(?:-[a-z2-7]{4}){3}\b", answer.content.decode())


def code_of(user: User, confirmed: bool = True) -> str:
    """The code that the app shows now; the one before it counts as long ago."""
    devices = Authenticator.objects.filter(user=user, confirmed=confirmed)
    devices.update(last_step=-1)
    totp = TOTP(devices.get().plain_secret, step=STEP_SECONDS)
    totp.time = time.time()
    return f"{totp.token():06d}"


@pytest.fixture
def visitor(colleague):
    return Visitor(colleague).sign_in()


@pytest.fixture
def enrolled(visitor):
    """Let in with a second factor, from an address that is known since."""
    assert len(visitor.enrol()) == RECOVERY_CODES
    assert visitor.sign_in().give(code_of(visitor.user)) == ""
    return visitor


def kinds(user: User) -> list[str]:
    return list(StaffEvent.objects.filter(user=user).order_by("id").values_list("kind", flat=True))


class TestEnrolling:
    def test_nothing_is_seen_before(self, visitor):
        assert not visitor.is_in()
        assert visitor.get("/admin/accounts/user/").status_code == 302
        there = visitor.client.get(INDEX, follow=True, REMOTE_ADDR=visitor.address)
        assert there.redirect_chain[-1][0].startswith(ENROL)

    def test_strangers_and_clients_are_sent_to_the_login(self, client, user):
        for url in (SECOND_FACTOR, ENROL, "/admin/identity/"):
            assert client.get(url).url.startswith(LOGIN)
        client.force_login(user)
        for url in (SECOND_FACTOR, ENROL, "/admin/identity/"):
            assert client.get(url).url.startswith(LOGIN)

    def test_the_page_shows_a_picture_and_is_kept_by_no_cache(self, visitor):
        page = visitor.get(ENROL)
        assert 'src="data:image/svg+xml' in page.content.decode()
        assert "no-store" in page["Cache-Control"]

    def test_a_code_of_the_app_ends_it_and_lets_in(self, visitor):
        codes = visitor.enrol()
        assert len(set(codes)) == RECOVERY_CODES
        assert visitor.is_in()
        assert kinds(visitor.user) == ["signed_in", "second_factor_enrolled"]

    def test_a_wrong_code_does_not_and_the_picture_stays(self, visitor):
        visitor.get(ENROL)
        before = code_of(visitor.user, confirmed=False)
        assert WRONG in visitor.post(ENROL, code=WRONG_CODE).content.decode()
        assert "This field is required" in visitor.post(ENROL, code="").content.decode()
        assert not visitor.is_in()
        assert visitor.post(ENROL, code=before).status_code == 200
        assert visitor.is_in()

    def test_a_secret_that_another_window_has_seen_is_not_taken(self, visitor, colleague):
        visitor.get(ENROL)
        thief = Visitor(colleague).sign_in()
        thief.get(ENROL)
        answer = visitor.post(ENROL, code=code_of(colleague, confirmed=False))
        assert answer.status_code == 302
        assert not Authenticator.objects.get(user=colleague).confirmed

    def test_secrets_and_codes_are_not_in_the_database_as_they_are(self, visitor):
        codes = visitor.enrol()
        device = Authenticator.objects.get(user=visitor.user)
        assert device.plain_secret not in bytes(device.secret)
        hashes = RecoveryCodes.objects.get(user=visitor.user).hashes
        assert not {code.replace("-", "") for code in codes} & set(hashes)

    def test_who_has_an_app_needs_it_to_exchange_it(self, enrolled, colleague):
        before = Authenticator.objects.get(user=colleague).pk
        assert Visitor(colleague).sign_in().get(ENROL).url.startswith(SECOND_FACTOR)
        session = enrolled.client.session
        session[IDENTITY_AT] -= 600
        session.save()
        assert enrolled.get(ENROL).url.startswith("/admin/identity/")
        enrolled.post("/admin/identity/", code_or_password=code_of(colleague))
        assert len(enrolled.enrol()) == RECOVERY_CODES
        assert Authenticator.objects.get(user=colleague).pk != before

    def test_an_exchange_ends_sessions_that_recovery_codes_let_in(self, visitor, colleague):
        code, *_ = visitor.enrol()
        finder = Visitor(colleague).sign_in()
        assert finder.give(code) == ""
        assert finder.is_in()
        visitor.enrol()
        assert visitor.is_in()
        assert not finder.is_in()


class TestAsking:
    def test_the_password_alone_lets_nobody_in(self, enrolled):
        enrolled.sign_in()
        assert not enrolled.is_in()
        assert enrolled.give(code_of(enrolled.user)) == ""
        assert enrolled.is_in()

    def test_a_code_is_good_once(self, enrolled):
        code = code_of(enrolled.user)
        assert enrolled.sign_in().give(code) == ""
        assert WRONG in enrolled.sign_in().give(code)

    @pytest.mark.parametrize("steps", [-2, 2])
    def test_a_code_of_another_time_is_refused(self, enrolled, steps):
        totp = TOTP(Authenticator.objects.get(user=enrolled.user).plain_secret)
        totp.time = time.time() + steps * STEP_SECONDS + (5 if steps > 0 else -5)
        Authenticator.objects.update(last_step=-1)
        assert WRONG in enrolled.sign_in().give(f"{totp.token():06d}")

    @pytest.mark.parametrize("code", ["", "12345", "１２３４５６", "a" * 50, "a" * 51, "\x00"])
    def test_what_is_no_code_is_refused(self, enrolled, code):
        assert enrolled.sign_in().give(code) != ""
        assert not enrolled.is_in()

    def test_a_recovery_code_is_good_once(self, visitor):
        first, second, *_ = visitor.enrol()
        assert visitor.sign_in().give(first.replace("-", " ").upper()) == ""
        assert visitor.is_in()
        assert WRONG in visitor.sign_in().give(first)
        assert visitor.give(second) == ""

    def test_leads_to_where_one_wanted_and_nowhere_else(self, enrolled):
        for expected, there in (
            ("/admin/jobs/job/", "/admin/jobs/job/"),
            ("//evil.example/", INDEX),
        ):
            enrolled.sign_in()
            answer = enrolled.post(SECOND_FACTOR, code=code_of(enrolled.user), next=expected)
            assert answer.url == there

    def test_one_can_sign_out_instead(self, enrolled):
        enrolled.sign_in().post(SECOND_FACTOR, sign_out="1")
        assert "_auth_user_id" not in enrolled.client.session

    def test_who_has_one_is_asked_even_where_it_is_not_required(self, enrolled, settings):
        settings.STAFF_SECOND_FACTOR = False
        assert not enrolled.sign_in().is_in()
        assert enrolled.give(code_of(enrolled.user)) == ""

    def test_who_has_none_is_let_in_where_it_is_not_required(self, visitor, settings):
        settings.STAFF_SECOND_FACTOR = False
        assert visitor.is_in()

    def test_a_secret_of_a_key_that_is_gone_lets_in_by_recovery_code(self, visitor):
        code, *_ = visitor.enrol()
        Authenticator.objects.update(secret=b"rubbish")
        assert WRONG in visitor.sign_in().give("123456")
        assert visitor.give(code) == ""


class TestGuessing:
    @pytest.fixture(autouse=True)
    def limits(self, settings):
        settings.SECOND_FACTOR_RATE_LIMIT = "2/15 minutes"
        settings.SECOND_FACTOR_ACCOUNT_RATE_LIMIT = "4/day"

    def test_the_limit_and_one_past_it(self, enrolled):
        enrolled.sign_in()
        assert [WRONG in enrolled.give(WRONG_CODE) for _ in range(2)] == [True, True]
        assert TOO_MANY in enrolled.give(WRONG_CODE)
        assert TOO_MANY in enrolled.give(code_of(enrolled.user))
        assert kinds(enrolled.user).count("second_factor_failed") == 2

    def test_many_addresses_are_refused_and_do_not_lock_the_owner_out(self, enrolled, colleague):
        guessers = [Visitor(colleague).sign_in() for _ in range(5)]
        output = [guesser.give(WRONG_CODE) for guesser in guessers]
        assert [TOO_MANY in text for text in output] == [False] * 4 + [True]
        assert TOO_MANY in Visitor(colleague).sign_in().give(code_of(colleague))
        assert enrolled.sign_in().give(code_of(colleague)) == ""

    def test_the_password_alone_makes_no_address_known(self, enrolled, colleague):
        guesser = Visitor(colleague).sign_in()
        for _ in range(4):
            Visitor(colleague).sign_in().give(WRONG_CODE)
        assert TOO_MANY in guesser.sign_in().give(WRONG_CODE)

    def test_guesses_at_ones_identity_count_as_well(self, enrolled):
        for _ in range(2):
            assert WRONG in enrolled.post("/admin/identity/", code_or_password="x").content.decode()
        response = enrolled.post("/admin/identity/", code_or_password=PASSWORD)
        assert TOO_MANY in response.content.decode()
        assert TOO_MANY in enrolled.sign_in().give(code_of(enrolled.user))


class TestReset:
    def test_sessions_and_sign_ins_need_it_anew(self, enrolled, capsys):
        call_command("staff_reset_second_factor", "--email", enrolled.user.email.upper())
        assert "no second factor any more" in capsys.readouterr().out
        assert not enrolled.is_in()
        assert enrolled.sign_in().get(SECOND_FACTOR).url.startswith(ENROL)
        assert "second_factor_reset" in kinds(enrolled.user)

    def test_of_who_has_none_and_of_clients(self, colleague, user, capsys):
        call_command("staff_reset_second_factor", "--email", colleague.email)
        assert "had no second factor" in capsys.readouterr().out
        with pytest.raises(CommandError):
            call_command("staff_reset_second_factor", "--email", user.email)


def test_the_index_leads_to_the_second_factor(enrolled):
    assert f'href="{reverse("admin:enrol")}"' in enrolled.get(INDEX).content.decode()
