import http.client
import re
import shutil
import socket
import subprocess
import threading
import uuid
from fnmatch import fnmatch
from pathlib import Path

import pytest
from django.conf import settings
from django.urls import resolve

from auteur.devstack import ports
from auteur.server.limits import Limits
from projects.interchange.formats import MAX_INTERCHANGE_BYTES
from tests.deploy.files import services, text
from tests.waiting import until

CADDY = shutil.which("caddy")
URIS = {
    "/shared/SECRET": "/shared/",
    "/shared/SECRET?a=SECRET": "/shared/",
    "/storage/users/a.mp4?signature=SECRET": "/storage/users/a.mp4",
    "/projects": "/projects",
    "/projects?a=/shared/SECRET": "/projects",
}
"""What is asked for, and what is logged of it."""
UNITS = {"MiB": 1024**2, "GiB": 1024**3}


def block(opening: str) -> str:
    """The lines between an opening line and the brace that closes it."""
    lines = text("deploy/Caddyfile").splitlines()
    start = next(i for i, line in enumerate(lines) if line.strip() == f"{opening} {{")
    indent = len(lines[start]) - len(lines[start].lstrip())
    end = next(i for i in range(start, len(lines)) if lines[i] == "\t" * indent + "}")
    return "\n".join(lines[start + 1 : end])


def size(value: str) -> int:
    match = re.fullmatch(r"(\d+)(\wiB)", value)
    assert match is not None
    return int(match[1]) * UNITS[match[2]]


def limit(site: str) -> str:
    match = re.search(r"max_size (\S+)", block(site))
    assert match is not None
    return match[1]


def test_the_sites_are_those_that_compose_names() -> None:
    named = set(re.findall(r"^\{\$(\w+)\} \{$", text("deploy/Caddyfile"), re.MULTILINE))
    assert named == {"SITE_ADDRESS"}
    used = set(re.findall(r"\{\$(\w+)", text("deploy/Caddyfile")))
    assert used == set(services()["caddy"]["environment"])


def test_inside_stays_inside_but_for_the_signed_callback() -> None:
    matcher = block("@inside").split("\n")
    path, exception = (line.split() for line in matcher)
    assert path == ["path", "/internal", "/internal/*", "/metrics", "/metrics/*"]
    allowed = ["/internal/gpu-callback", "/internal/gpu-callback/outputs"]
    assert exception == ["not", "path", *allowed]
    assert all(map(resolve, allowed))
    assert block("handle @inside").rstrip().endswith(" 404")


def test_the_proxy_comes_after_the_block() -> None:
    site = block("{$SITE_ADDRESS}")
    order = ["handle @inside {", "handle /storage/* {", "handle @live {", "handle {"]
    assert [site.index(opening) for opening in order] == sorted(map(site.index, order))
    assert site.index("import api") > site.index("handle @inside {")


def test_only_the_api_and_live_are_behind_it() -> None:
    upstreams = re.findall(r"reverse_proxy (\S+)", text("deploy/Caddyfile"))
    assert set(upstreams) == {"api:8000", "live:8001"}


def test_what_live_answers_goes_there_at_once() -> None:
    match = re.search(r"@live path (.+)", text("deploy/Caddyfile"))
    assert match is not None
    for item in ("/events", "/events/head", f"/jobs/{uuid.uuid4()}/events", "/ws/jobs"):
        assert any(fnmatch(item, pattern) for pattern in match[1].split()), item
    for item in ("/jobs", f"/jobs/{uuid.uuid4()}", "/jobs/render", "/health/live"):
        assert not any(fnmatch(item, pattern) for pattern in match[1].split()), item
    assert "flush_interval -1" in block("(live)")


def test_bodies_have_limits_that_fit_the_settings() -> None:
    assert size(limit("handle")) > settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    assert size(limit("handle")) > MAX_INTERCHANGE_BYTES
    default = re.fullmatch(r"\{\$MAX_UPLOAD_BYTES:(\w+)\}", limit("handle /storage/*"))
    assert default is not None
    assert size(default[1]) == settings.MAX_UPLOAD_BYTES


def test_nothing_is_buffered_and_nobody_has_for_ever() -> None:
    assert "buffers" not in text("deploy/Caddyfile")
    timeouts = dict(line.split() for line in block("timeouts").splitlines() if "#" not in line)
    assert set(timeouts) == {"read_header", "read_body", "write", "idle"}


def test_the_proxy_lets_go_of_a_connection_before_the_api_does() -> None:
    for proxy in ("(api)", "(live)"):
        match = re.search(r"keepalive (\d+)s", block(proxy))
        assert match is not None
        assert int(match[1]) < Limits(**settings.API_SERVER).idle_seconds


def test_the_site_compresses_and_logs_without_signatures() -> None:
    assert "encode zstd gzip" in block("{$SITE_ADDRESS}")
    assert "import common" in block("{$SITE_ADDRESS}")
    fields = block("fields")
    assert "request>headers delete" in fields
    match = re.search(r'request>uri regexp (\S+) "\$1"', fields)
    assert match is not None
    logged = {uri: re.sub(match[1], lambda result: result[1] or "", uri) for uri in URIS}
    assert logged == URIS
    # One filter for requests and for errors of the proxy, which have the request as well.
    assert block("(common)").splitlines().count("\tlog") == 1
    assert "fields {" in block("log")


@pytest.mark.skipif(CADDY is None, reason="There is no Caddy on PATH.")
def test_a_real_caddy_logs_no_secret(tmp_path: Path) -> None:
    upstream = socket.create_server(("127.0.0.1", 0))
    (port,) = ports.find_free_ports(1)
    config = text("deploy/Caddyfile").replace("{\n\tservers {", "{\n\tadmin off\n\tservers {", 1)
    for name in ("api:8000", "live:8001"):
        config = config.replace(name, f"127.0.0.1:{upstream.getsockname()[1]}")
    (tmp_path / "Caddyfile").write_text(config)
    log = tmp_path / "log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [str(CADDY), "run", "--config", str(tmp_path / "Caddyfile"), "--adapter", "caddyfile"],
            env={"HOME": str(tmp_path), "SITE_ADDRESS": f"http://127.0.0.1:{port}"},
            stdout=output,
            stderr=subprocess.STDOUT,
        )

    def answer_half() -> None:
        for _ in URIS:
            connection, _ = upstream.accept()
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf")
            connection.close()

    thread = threading.Thread(target=answer_half, daemon=True)
    thread.start()
    try:
        until(lambda: is_open(port), seconds=20)
        for uri in URIS:
            client = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            client.request("GET", uri, headers={"Authorization": "Bearer SECRET"})
            with pytest.raises(http.client.IncompleteRead):
                client.getresponse().read()
            client.close()
        until(lambda: log.read_text().count("handled request") == len(URIS), seconds=10)
    finally:
        process.terminate()
        process.wait(10)
        upstream.close()
    assert "aborting with incomplete response" in log.read_text()
    assert "SECRET" not in log.read_text()
    assert '"127.0.0.1"' not in log.read_text()


def is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
