"""Media, voices and projects in the admin: names are mended, files are opened and noted."""

from urllib.parse import parse_qs, urlsplit

import pytest
from django.utils import timezone

from media.admin import OPEN_SECONDS
from media.models import MediaFile, MediaStatus
from media.storage import object_storage
from projects.models import Project
from tests.admin.conftest import XSS, page_url, records_of


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
