"""Media, voices and projects in the admin: names are mended, files are opened and noted."""

from urllib.parse import parse_qs, urlsplit

import pytest
from django.utils import timezone

from media.admin import OPEN_SECONDS
from media.consents.revocation import revoke_consent
from media.derivation import states
from media.models import DerivationStatus, MediaFile, MediaStatus, VoiceClone
from media.storage import object_storage
from projects.models import Project
from tests.admin.conftest import REASON, XSS, messages_of, page_url, records_of


def open_url(obj):
    return page_url(obj).replace("/change/", "/open/")


class TestOpen:
    def test_leads_to_the_object_for_a_short_while(self, root, media, client):
        object_storage().write(media.r2_key, b"sound", "audio/wav")
        assert open_url(media) in root.page(media)
        response = root.client.get(open_url(media))
        assert response.status_code == 302
        expires = int(parse_qs(urlsplit(response.url).query)["expires"][0])
        assert 0 < expires - timezone.now().timestamp() <= OPEN_SECONDS
        target = urlsplit(response.url)
        answer = client.get(f"{target.path}?{target.query}")
        assert b"".join(answer.streaming_content) == b"sound"

    def test_is_recorded(self, root, media):
        root.client.get(open_url(media))
        assert records_of(media) == [(root.user, "Opened the file.")]

    def test_of_a_voice(self, root, voice):
        assert voice.sample_r2_key in root.client.get(open_url(voice)).url

    def test_is_for_who_may_see_it(self, viewer, staff_with, client, media):
        assert viewer.client.get(open_url(media)).status_code == 302
        assert staff_with("jobs.view_job").client.get(open_url(media)).status_code == 403
        assert client.get(open_url(media)).url.startswith("/admin/login/")

    def test_of_what_does_not_exist(self, root, media):
        url = open_url(media).replace(str(media.pk), "00000000-0000-4000-8000-000000000000")
        assert root.client.get(url).status_code == 404

    @pytest.mark.parametrize("status", [MediaStatus.UPLOADING, MediaStatus.REJECTED])
    def test_is_not_offered_before_there_is_a_file(self, root, make_media, status):
        assert "/open/" not in root.page(make_media(status=status))


class TestMedia:
    def test_only_the_name_changes(self, root, media):
        key = media.r2_key
        data = {"name": "Sea", "r2_key": "users/other/media/x.wav", "status": "rejected"}
        root.client.post(page_url(media), data)
        media.refresh_from_db()
        assert (media.name, media.r2_key, media.status) == ("Sea", key, MediaStatus.READY)

    def test_a_name_is_text(self, root, media):
        assert XSS not in root.page(media)
        assert XSS not in root.list(MediaFile)
        assert "&lt;script&gt;" in root.list(MediaFile)

    @pytest.mark.parametrize("query", ["beach", "owner", "id", "project"])
    def test_search(self, root, media, make_media, make_user, query):
        other = make_media(make_user())
        words = {"owner": media.user.email, "id": media.pk, "project": media.project_id}
        listed = root.list(MediaFile, q=str(words.get(query, query)))
        assert page_url(media) in listed
        assert page_url(other) not in listed

    def test_filters(self, root, media, make_media):
        video = make_media(type="video", status=MediaStatus.UPLOADING)
        for query in ({"type__exact": "video"}, {"status__exact": "uploading"}):
            listed = root.list(MediaFile, **query)
            assert page_url(video) in listed
            assert page_url(media) not in listed


class TestDerivatives:
    def test_the_list_tells_how_far_they_are(self, root, make_media):
        media = make_media()
        listed = {}
        for status in DerivationStatus:
            over = status in (DerivationStatus.DONE, DerivationStatus.FAILED)
            MediaFile.objects.filter(pk=media.pk).update(
                derivation_status=status,
                derivation_progress=0.25,
                derive_at=None if over else timezone.now(),
            )
            listed[status] = root.list(MediaFile, derivation_status__exact=status)
            assert page_url(media) in listed[status]
            assert f">{status.label}</span>" in listed[status]
            assert f">{status.label}</span>" in root.page(media)
        assert "25%" in listed[DerivationStatus.WORKING]
        assert page_url(media) not in root.list(MediaFile, derivation_status__exact="waiting")

    def test_of_an_upload_there_are_none(self, root, make_media):
        make_media(status=MediaStatus.UPLOADING)
        assert ">Waiting</span>" not in root.list(MediaFile)

    def test_they_are_made_again_for_a_reason(self, root, media):
        states.DERIVATIONS.claim(media.pk).fail()
        asking = root.act("derive_again", media)
        assert media.name.partition(" ")[0] in asking.content.decode()
        done = root.act("derive_again", media, reason=REASON)
        [message] = messages_of(done)
        assert "are being made again" in message
        media.refresh_from_db()
        assert (media.derivation_status, media.derivation_tries) == (DerivationStatus.WAITING, 0)
        assert states.DERIVATIONS.select_due(1) == [media.pk]
        assert records_of(media)[0][0] == root.user
        assert REASON in records_of(media)[0][1]

    def test_not_of_what_is_not_ready(self, root, make_media):
        media = make_media(status=MediaStatus.UPLOADING)
        [message] = messages_of(root.act("derive_again", media, reason=REASON))
        assert "not ready" in message
        assert "derive_again" not in root.page(media)

    def test_who_may_only_see_asks_for_nothing(self, viewer, media):
        states.DERIVATIONS.claim(media.pk).fail()
        viewer.act("derive_again", media, reason=REASON)
        media.refresh_from_db()
        assert media.derivation_status == DerivationStatus.FAILED


class TestVoices:
    @pytest.fixture
    def ready(self, voice):
        voice.status = MediaStatus.READY
        voice.consent_statement, voice.consented_at = f"Yes {XSS}", timezone.now()
        voice.save()
        return voice

    def test_consent_can_be_read(self, root, ready):
        page = root.page(ready)
        assert "Yes &lt;script&gt;" in page
        assert XSS not in page

    def test_a_sample_is_opened_once_it_is_there(self, root, ready, user):
        assert "/open/" in root.page(ready)
        ready.status = MediaStatus.REJECTED
        ready.save()
        assert "/open/" not in root.page(ready)

    @pytest.mark.parametrize("query", ["Grandma", "owner", "id"])
    def test_search(self, root, voice, make_user, query):
        stranger = make_user()
        other = VoiceClone.objects.create(user=stranger, name="Other", sample_r2_key="o.wav")
        words = {"owner": voice.user.email, "id": voice.pk}
        listed = root.list(VoiceClone, q=str(words.get(query, query)))
        assert page_url(voice) in listed
        assert page_url(other) not in listed

    def test_filter(self, root, ready):
        other = VoiceClone.objects.create(user=ready.user, name="Other", sample_r2_key="o.wav")
        listed = root.list(VoiceClone, status__exact="uploading")
        assert page_url(other) in listed
        assert page_url(ready) not in listed


class TestProjects:
    def test_name_and_description_change(self, root, project):
        data = {"name": "Winter", "description": "Snow", "resolution": "1x1"}
        assert root.client.post(page_url(project), data).status_code == 302
        project.refresh_from_db()
        assert (project.name, project.description) == ("Winter", "Snow")
        assert project.resolution == "1920x1080"

    def test_a_name_is_text(self, root, project):
        assert XSS not in root.page(project)
        assert XSS not in root.list(Project)

    def test_who_may_only_see_changes_nothing(self, viewer, project):
        assert viewer.client.post(page_url(project), {"name": "Mine"}).status_code == 403

    def test_search(self, root, project, make_user):
        other = Project.objects.create(user=make_user(), name="Office")
        for words in ("Holiday", project.user.email, project.pk):
            listed = root.list(Project, q=str(words))
            assert page_url(project) in listed
            assert page_url(other) not in listed

    def test_a_project_leads_to_its_media_and_jobs(self, root, project, media):
        page = root.page(project)
        for path in ("media/mediafile", "jobs/job"):
            assert f"/admin/{path}/?project__id__exact={project.pk}" in page
        assert page_url(media) in root.list(MediaFile, project__id__exact=project.pk)


class TestConsents:
    def test_one_is_revoked_with_a_reason(self, root, consent, media):
        root.act("revoke", consent, reason=REASON)
        consent.refresh_from_db()
        assert (consent.status, consent.revoked_by) == ("revoked", f"staff:{root.user.pk}")
        media.refresh_from_db()
        assert media.status == MediaStatus.REJECTED
        [(who, note)] = records_of(consent)
        assert who == root.user
        assert REASON in note

    def test_its_page_shows_what_was_removed(self, root, viewer, consent, media):
        assert 'value="revoke"' in root.page(consent)
        revoke_consent(consent=consent)
        page = viewer.page(consent)
        assert media.r2_key in page
        assert 'value="revoke"' not in root.page(consent)

    def test_who_may_only_see_revokes_none(self, viewer, consent):
        viewer.act("revoke", consent, reason=REASON)
        consent.refresh_from_db()
        assert consent.revoked_at is None
