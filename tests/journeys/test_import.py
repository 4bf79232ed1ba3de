"""A file by its URL: as an editor asks for it, and what it hears of it."""

import pytest

from tests.media import samples
from tests.media.imports.source import File, Source, plain
from tests.waiting import until

pytestmark = pytest.mark.xdist_group("stack")

SECONDS = 60.0


def test_a_film_of_the_web_is_ready_and_a_page_of_it_is_not(person, project_id):
    with Source() as source:
        film = source.serves("/film.mp4", File(samples.video()))
        page = source.serves("/watch", plain(200, b"<html>", content_type="text/html"))
        path = f"/projects/{project_id}/media/import"
        begun = [person.post(path, {"url": f"{url}?token=secret"}) for url in (film, page)]
        ids = [answer["media"]["id"] for answer in begun]

        def ended():
            results = [person.get(f"/media/{media_id}") for media_id in ids]
            return {media["status"] for media in results} <= {"ready", "rejected"} and results

        ready, rejected = until(ended, SECONDS)
    assert (ready["status"], ready["name"]) == ("ready", "film.mp4")
    assert (ready["import"]["url"], ready["import"]["progress"]) == (film, 1.0)
    assert rejected["rejection"]["code"] == "web_page"
    assert person.get("/users/me")["storage"]["used_bytes"] == ready["file_size_bytes"]
