"""Opening untrusted media."""

import io
import wave
from pathlib import Path

import av
import numpy as np
import pytest

from gpu_tasks.mediakit.decoding import DEMUXERS, NOT_MEDIA, open_media
from gpu_tasks.runtime.errors import EngineError, ErrorCode
from tests.gpu_tasks.peer import Peer
from tests.gpu_tasks.recordings import INTERVIEW, SHORT, tone, write_film, write_sound

PLAYLIST = "#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\n{}\n#EXT-X-ENDLIST\n"
MANIFEST = (
    '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static">'
    "<Period><BaseURL>{}</BaseURL></Period></MPD>"
)
SESSION = "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 9 RTP/AVP 0\n"


def refused(path: Path | str) -> EngineError:
    with pytest.raises(EngineError) as caught:
        open_media(path)
    return caught.value


def test_only_demuxers_that_exist_are_listed():
    assert set(DEMUXERS) <= av.formats_available


@pytest.mark.parametrize(
    "opens_others",
    ["hls", "dash", "concat", "sdp", "rtsp", "rtp", "image2", "lavfi", "tty", "vobsub", "imf"],
)
def test_demuxers_that_open_other_things_are_not_listed(opens_others: str):
    assert opens_others not in DEMUXERS


@pytest.mark.parametrize("name", ["film.mp4", "film.m3u8", "film.ts"])
def test_a_playlist_is_refused_and_its_server_never_asked(tmp_path: Path, peer: Peer, name: str):
    peer.files["/secret.ts"] = b"secret"
    (tmp_path / name).write_text(PLAYLIST.format(peer.url("/secret.ts")))
    assert refused(tmp_path / name).code == ErrorCode.INPUT_INVALID
    assert peer.asked == []


def test_a_playlist_of_a_local_file_is_refused(tmp_path: Path):
    write_film(tmp_path / "secret.ts", tone(1.0))
    playlist = tmp_path / "list.m3u8"
    playlist.write_text(PLAYLIST.format("secret.ts"))
    with av.open(str(playlist)) as unguarded:  # what FFmpeg would do
        assert unguarded.format.name == "hls"
    assert refused(playlist).message == NOT_MEDIA


def test_a_concatenation_of_local_files_is_refused(tmp_path: Path):
    write_sound(tmp_path / "secret.wav", "pcm_s16le", tone(1.0))
    script = tmp_path / "film.mp4"
    script.write_text("ffconcat version 1.0\nfile 'secret.wav'\n")
    with av.open(str(script)) as unguarded:
        assert unguarded.format.name == "concat"
    assert refused(script).message == NOT_MEDIA


@pytest.mark.parametrize("content", [MANIFEST, SESSION, "A letter.\n" * 99, "", "\x00" * 4096])
def test_what_is_no_media_is_refused(tmp_path: Path, peer: Peer, content: str):
    path = tmp_path / "film.mp4"
    path.write_text(content.format(peer.url("/x")) if "{}" in content else content)
    error = refused(path)
    assert (error.code, error.message) == (ErrorCode.INPUT_INVALID, NOT_MEDIA)
    assert peer.asked == []


def test_a_pattern_of_file_names_is_one_file_name(tmp_path: Path):
    picture = INTERVIEW.read_bytes()
    (tmp_path / "frame%02d.mp4").write_bytes(picture)
    with open_media(tmp_path / "frame%02d.mp4") as container:
        assert container.format.name.startswith("mov")


@pytest.mark.parametrize("name", ["concat:a.mp4", "subfile:x.mp4", "a: b#c?d.mp4"])
def test_a_file_name_is_never_a_protocol(tmp_path: Path, name: str):
    (tmp_path / name).write_bytes(SHORT.read_bytes())
    with open_media(tmp_path / name) as container:
        assert container.format.name == "flac"


def test_a_file_that_is_away_is_our_fault_and_not_the_users(tmp_path: Path):
    assert refused(tmp_path / "away.mp4").code == ErrorCode.STORAGE_ERROR


def test_a_url_is_read_over_http(peer: Peer):
    peer.files["/short.flac"] = SHORT.read_bytes()
    with open_media(peer.url("/short.flac")) as container:
        assert container.duration == pytest.approx(3_295_000, abs=1000)


def test_a_url_that_answers_with_an_error_is_a_storage_error(peer: Peer):
    assert refused(peer.url("/away.mp4")).code == ErrorCode.STORAGE_ERROR


def test_a_url_nobody_answers_at_is_a_storage_error():
    assert refused("http://127.0.0.1:9/film.mp4").code == ErrorCode.STORAGE_ERROR


def test_a_playlist_at_a_url_is_refused_and_what_it_names_never_asked_for(peer: Peer):
    peer.files["/film.mp4"] = PLAYLIST.format(peer.url("/secret.ts")).encode()
    assert refused(peer.url("/film.mp4")).code == ErrorCode.INPUT_INVALID
    assert "/secret.ts" not in peer.asked


def test_a_pictures_own_demuxer_is_used(tmp_path: Path):
    picture = av.VideoFrame.from_ndarray(np.zeros((16, 16, 3), np.uint8), format="rgb24")
    with av.open(str(tmp_path / "one.png"), "w", format="image2", options={"update": "1"}) as out:
        stream = out.add_stream("png", rate=1)
        stream.width, stream.height, stream.pix_fmt = 16, 16, "rgb24"
        out.mux(stream.encode(picture))
        out.mux(stream.encode(None))
    with open_media(tmp_path / "one.png") as container:
        assert container.format.name == "png_pipe"


def test_tags_in_an_old_encoding_do_no_harm(tmp_path: Path):
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as sound:
        sound.setparams((1, 2, 16_000, 0, "NONE", ""))
        sound.writeframes(tone(0.1).tobytes())
    tag = (
        b"LIST" + (16).to_bytes(4, "little") + b"INFOINAM" + (4).to_bytes(4, "little") + b"caf\xe9"
    )
    (tmp_path / "tagged.wav").write_bytes(buffer.getvalue() + tag)
    with open_media(tmp_path / "tagged.wav") as container:
        assert container.metadata["title"].startswith("caf")
