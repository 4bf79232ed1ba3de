"""`GET /media/:id/provenance`, and the commands."""

import json
import stat
from io import StringIO
from pathlib import Path
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command

from auteur.core.work.sandbox_queue import SandboxQueue
from media.limits import READING_BACK
from media.models import MediaStatus, MediaType
from media.provenance import certificates, checks, views
from tests.media import samples
from tests.media.provenance.conftest import content_of, mark, statement


@pytest.fixture
def picture(stored, make_media):
    """A generated picture of the user's."""
    key = stored(samples.image(), "image/png")
    marked = mark(key, "image/png", statement())
    return make_media(
        r2_key=key,
        type=MediaType.IMAGE,
        mime_type="image/png",
        file_size_bytes=marked.size_bytes,
        origin={"type": "image_generation", "credentials": marked.credentials},
    )


def test_its_owner_reads_where_it_comes_from(api, picture):
    answer = api.get(f"/media/{picture.pk}/provenance")
    assert answer.status_code == 200
    body = answer.json()
    assert body["media_id"] == str(picture.pk)
    assert body["recorded"] == picture.origin["credentials"]
    assert (body["validation_state"], body["is_ours"]) == ("Trusted", True)
    assert (body["not_read"], body["problems"]) == (None, [])
    assert body["manifest"]["actions"][0]["action"] == "c2pa.created"


def test_to_others_it_is_not_there(client_of, make_user, picture):
    assert client_of(make_user()).get(f"/media/{picture.pk}/provenance").status_code == 404


def test_an_upload_without_credentials_says_nothing(api, stored, make_media):
    key = stored(samples.wav(), "audio/wav")
    media = make_media(r2_key=key)
    assert api.get(f"/media/{media.pk}/provenance").json() == {
        "media_id": str(media.pk),
        "recorded": None,
        "not_read": None,
        "validation_state": None,
        "is_ours": False,
        "problems": [],
        "manifest": None,
    }


def test_of_a_larger_file_what_was_noted_is_told(api, picture, monkeypatch):
    picture.file_size_bytes = views.MAX_BYTES + 1
    picture.save(update_fields=["file_size_bytes"])
    body = api.get(f"/media/{picture.pk}/provenance").json()
    assert (body["not_read"], body["manifest"]) == ("too_large", None)
    assert body["recorded"]["status"] == "signed"


def test_each_user_has_one_read_at_a_time_and_waits_a_moment_for_it(
    api, picture, user, monkeypatch
):
    queue = SandboxQueue(running=1, waiting=1, seconds=0.05)
    monkeypatch.setattr(views, "QUEUE", queue)
    with queue.reserve(user.pk, READING_BACK):
        busy = api.get(f"/media/{picture.pk}/provenance")
        assert (busy.status_code, busy.json()["code"]) == (503, "files_busy")
        assert busy["Retry-After"] == "1"
    assert api.get(f"/media/{picture.pk}/provenance").status_code == 200


def test_with_a_broken_certificate_it_is_read_and_nobodys(api, picture, settings, tmp_path: Path):
    broken = tmp_path / "broken.pem"
    broken.write_text("no certificate")
    settings.C2PA_CERTIFICATE_PATH = str(broken)
    body = api.get(f"/media/{picture.pk}/provenance").json()
    assert (body["is_ours"], body["manifest"] is not None) == (False, True)


def test_what_is_no_media_yet_is_not_read(api, make_media):
    media = make_media(status=MediaStatus.UPLOADING)
    assert api.get(f"/media/{media.pk}/provenance").json()["not_read"] == "unreadable"


class TestCommand:
    def test_a_file_is_verified(self, picture, tmp_path: Path, capsys):
        path = tmp_path / "picture.png"
        path.write_bytes(content_of(picture.r2_key))
        call_command("provenance_verify", str(path))
        body = capsys.readouterr().out
        assert body.startswith("Trusted, signed by us\n")
        assert "c2pa.created, owner/model 0123456789abcdef" in body
        call_command("provenance_verify", str(path), "--json")
        assert json.loads(capsys.readouterr().out)["is_ours"] is True

    def test_its_exit_says_what_it_found(self, picture, tmp_path: Path):
        path = tmp_path / "picture.png"
        content = content_of(picture.r2_key)
        path.write_bytes(content + b"more")
        with pytest.raises(SystemExit) as ended:
            call_command("provenance_verify", str(path), stdout=StringIO())
        assert ended.value.code == 1
        path.write_bytes(samples.image())
        with pytest.raises(SystemExit) as ended:
            call_command("provenance_verify", str(path), stdout=StringIO())
        assert ended.value.code == 2

    def test_what_cannot_be_read_is_said(self, tmp_path: Path):
        with pytest.raises(CommandError, match="is not a file"):
            call_command("provenance_verify", str(tmp_path / "gone.png"))
        path = tmp_path / "film.webm"
        path.write_bytes(samples.video(container="webm"))
        with pytest.raises(CommandError, match="unsupported format"):
            call_command("provenance_verify", str(path))


class TestCertificates:
    def test_one_for_development_is_made_once(self, tmp_path: Path):
        folder = tmp_path / "keys"
        call_command("provenance_certificate", str(folder), stdout=StringIO())
        certificate, key = folder / "c2pa-certificate.pem", folder / "c2pa-private-key.pem"
        assert stat.S_IMODE(key.stat().st_mode) == 0o600
        certificates.load_identity(str(certificate), key.read_text()).check()
        before = key.read_text()
        with pytest.raises(CommandError, match="exists already"):
            call_command("provenance_certificate", str(folder), stdout=StringIO())
        assert key.read_text() == before

    @pytest.mark.parametrize("part", ["certificate", "key"])
    def test_what_is_no_certificate_or_key_is_an_error(self, settings, tmp_path: Path, part: str):
        chain, key = certificates.create_development_certificate()
        path = tmp_path / f"{uuid4()}.pem"
        path.write_text(chain if part == "key" else "nonsense")
        settings.C2PA_CERTIFICATE_PATH = str(path)
        settings.C2PA_PRIVATE_KEY = key if part == "certificate" else "nonsense"
        [error] = checks.check_certificate()
        assert error.id == "media.E001"
        assert "nonsense" not in error.msg

    def test_another_certificates_key_is_an_error(self, settings, signs_as):
        signs_as()
        settings.C2PA_PRIVATE_KEY = certificates.create_development_certificate()[1]
        [error] = checks.check_certificate()
        assert "does not belong to the certificate" in error.msg

    def test_without_one_there_is_a_warning(self, settings):
        assert checks.check_certificate() == []
        settings.C2PA_CERTIFICATE_PATH = ""
        [warning] = checks.check_certificate()
        assert warning.id == "media.W001"
