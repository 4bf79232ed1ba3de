"""One function in a process of its own: what it may take, at each limit's edge, and how it ends."""

import errno
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psutil
import pytest

from gpu_tasks.runtime import sandbox, sources
from gpu_tasks.runtime.confinement import MIB, Limits
from gpu_tasks.runtime.errors import EngineError, ErrorCode, InputRefusedError, KilledError
from gpu_tasks.runtime.sandbox import Limit, SandboxExceededError, SandboxFailedError
from gpu_tasks.runtime.sources import SourceLostError, open_source
from tests.waiting import until

LIMITS = Limits(
    memory_bytes=128 * MIB,
    cpu_seconds=10,
    wall_seconds=60.0,
    file_bytes=MIB,
    open_files=32,
    answer_bytes=100_000,
)
WITH_PROGRAMS = replace(LIMITS, programs=True)
FOR_FFMPEG = replace(WITH_PROGRAMS, memory_bytes=4096 * MIB, open_files=256)
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="Linux alone confines so much")


def call(name: str, limits: Limits = LIMITS, **arguments: Any) -> Any:
    return sandbox.run(f"tests.gpu_tasks.confined_calls:{name}", arguments, limits=limits)


def exceeded(name: str, limits: Limits = LIMITS, **arguments: Any) -> Limit:
    with pytest.raises(SandboxExceededError) as caught:
        call(name, limits, **arguments)
    return caught.value.limit


def test_arguments_and_answer_are_json() -> None:
    value = {"text": "ä\n", "number": 1.5, "none": None, "list": [{"a": True}]}
    assert call("echo", **value) == value


def test_it_asks_its_parent_so_often_and_not_once_more() -> None:
    def answers(times: int) -> Any:
        return sandbox.run(
            "tests.gpu_tasks.confined_calls:ask_often",
            {"times": times},
            limits=LIMITS,
            reply=lambda number: str(number * 2).encode(),
        )

    assert answers(sandbox.MAX_QUESTIONS) == [str(number * 2) for number in range(8)]
    with pytest.raises(SandboxFailedError):
        answers(sandbox.MAX_QUESTIONS + 1)


class TestLimits:
    @on_linux
    def test_memory(self) -> None:
        assert call("allocate", size=100 * MIB) == 100 * MIB
        assert exceeded("allocate", size=129 * MIB) == Limit.MEMORY

    def test_memory_behind_another_error(self) -> None:
        assert exceeded("run_out_of_memory_inside") == Limit.MEMORY

    def test_processor_time(self) -> None:
        short = replace(LIMITS, cpu_seconds=1)
        assert call("burn", short, seconds=0.4) == "done"
        assert exceeded("burn", short, seconds=30.0) == Limit.CPU

    def test_time(self) -> None:
        assert exceeded("sleep", replace(LIMITS, wall_seconds=0.5), seconds=60) == Limit.TIME

    def test_files(self) -> None:
        assert call("write", size=MIB) == MIB
        assert exceeded("write", size=MIB + 1) == Limit.FILE_SIZE

    def test_open_files(self) -> None:
        assert call("open_files", count=20) == 20
        assert exceeded("open_files", count=32) == Limit.OPEN_FILES

    def test_the_answer(self) -> None:
        around = len('{"answer": ""}')
        largest = LIMITS.answer_bytes - around
        assert len(call("answer", size=largest)) == largest
        assert exceeded("answer", size=largest + 1) == Limit.ANSWER
        assert exceeded("shout", size=LIMITS.answer_bytes + 3 * sandbox.MESSAGE_BYTES)

    @pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT])
    def test_a_crash(self, number: int) -> None:
        assert exceeded("be_killed", number=number) == Limit.CRASH


class TestSurroundings:
    def test_nothing_of_our_environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("DJANGO_SECRET_KEY", "s" * 40)
        monkeypatch.setenv("DATABASE_URL", "postgres://nowhere")
        result = call("look_around")
        ours = {*sandbox.INHERITED_VARIABLES, *sandbox.SET_VARIABLES, "HOME", "TMPDIR"}
        # Python sets one, and importing our tests the other.
        assert set(result["environment"]) <= ours | {"LC_CTYPE", "AUTEUR_PLUGINS"}
        assert result["folder"] == []
        assert result["environment"]["HOME"] == result["place"]
        assert not Path(result["place"]).exists()

    def test_variables_and_a_folder_that_are_given(self, tmp_path: Path) -> None:
        sandbox.run(
            "tests.gpu_tasks.confined_calls:write",
            {"size": 3},
            limits=LIMITS,
            folder=tmp_path,
            environment={"HF_HUB_OFFLINE": "1"},
        )
        assert (tmp_path / "file").read_bytes() == b"\0\0\0"

    @on_linux
    @pytest.mark.parametrize("family", ["AF_INET", "AF_INET6", "AF_UNIX", "AF_NETLINK"])
    def test_no_network(self, family: str) -> None:
        with pytest.raises(SandboxFailedError, match=r"PermissionError: \[Errno 13\]"):
            call("connect", family=family)

    @on_linux
    def test_no_programs_unless_asked_for(self) -> None:
        with pytest.raises(SandboxFailedError, match="PermissionError"):
            call("start_program")
        assert call("start_program", WITH_PROGRAMS) == 0

    @on_linux
    def test_programs_have_no_network_either(self) -> None:
        assert call("connect_from_a_program", WITH_PROGRAMS).startswith("PermissionError")

    @on_linux
    def test_no_look_into_others(self) -> None:
        assert call("look_into", pid=os.getpid()) == errno.EACCES


class TestEnds:
    def test_refusals_pass(self) -> None:
        with pytest.raises(InputRefusedError) as caught:
            call("refuse", code="too_odd", detail="It is odd.")
        assert (caught.value.code, caught.value.detail) == ("too_odd", "It is odd.")

    def test_errors_of_engines_pass(self) -> None:
        with pytest.raises(EngineError) as caught:
            call("fail_as_an_engine")
        assert (caught.value.code, caught.value.message) == (ErrorCode.INPUT_INVALID, "No.")

    @pytest.mark.parametrize("name", ["break_down", "missing"])
    def test_a_bug_is_no_fault_of_the_input(self, name: str) -> None:
        with pytest.raises(SandboxFailedError, match=r"KeyError: 'oops'|no attribute 'missing'"):
            call(name)

    @pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
    def test_killed_by_somebody(self, number: int) -> None:
        with pytest.raises(SandboxFailedError, match=f"-{number:d}") as caught:
            call("be_killed", number=number)
        assert isinstance(caught.value, KilledError)

    def test_a_program_of_it_killed_by_somebody(self) -> None:
        with pytest.raises(SandboxFailedError) as caught:
            call("lose_a_program", FOR_FFMPEG, number=signal.SIGKILL)
        assert isinstance(caught.value, KilledError)

    def test_a_bug_or_a_takeover_is_not_taken_for_a_kill(self) -> None:
        for name in ("break_down", "lie", "close_and_hang"):
            with pytest.raises(SandboxFailedError) as caught:
                call(name)
            assert not isinstance(caught.value, KilledError)

    def test_a_full_disk(self) -> None:
        with pytest.raises(SandboxFailedError) as caught:
            call("fill_the_disk")
        assert isinstance(caught.value, OSError)
        assert caught.value.errno == errno.ENOSPC

    @pytest.mark.parametrize("name", ["lie", "close_and_hang"])
    def test_a_child_that_something_took_over(self, name: str) -> None:
        with pytest.raises(SandboxFailedError):
            call(name)

    def test_programs_end_with_it(self, tmp_path: Path) -> None:
        sandbox.run(
            "tests.gpu_tasks.confined_calls:outlive",
            {"seconds": 60},
            limits=WITH_PROGRAMS,
            folder=tmp_path,
        )
        pid = int((tmp_path / "pid").read_text())
        until(lambda: not _lives(pid))

    @on_linux
    def test_it_ends_with_its_parent(self) -> None:
        code = (
            "from tests.gpu_tasks.runtime.test_sandbox import *;"
            "sandbox.run('tests.gpu_tasks.confined_calls:sleep', {'seconds': 60}, limits=LIMITS)"
        )
        parent = subprocess.Popen([sys.executable, "-c", code], cwd=sandbox.CODE)
        children: list[psutil.Process] = []

        def is_asleep() -> bool:
            children[:] = psutil.Process(parent.pid).children()
            # Only a limited one has got so far as to sleep.
            return any(item.rlimit(psutil.RLIMIT_NOFILE)[0] == 32 for item in children)

        until(is_asleep)
        parent.kill()
        parent.wait()
        until(lambda: not any(_lives(child.pid) for child in children))

    def test_progress_is_told_and_may_end_it(self) -> None:
        reports: list[int] = []

        def run(progress: Callable[[int], None]) -> Any:
            return sandbox.run(
                "tests.gpu_tasks.confined_calls:count",
                {"upto": 3},
                limits=LIMITS,
                progress=progress,
            )

        assert run(reports.append) == "done"
        assert reports == [0, 1, 2]

        class EnoughError(Exception):
            pass

        def enough(_: int) -> None:
            raise EnoughError

        with pytest.raises(EnoughError):
            run(enough)


def _lives(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


CONTENT = bytes(range(256)) * 4096
"""One MiB."""


class _Ranges(BaseHTTPRequestHandler):
    """A storage: it serves ranges of the content, or fails as its server is told."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        server: Any = self.server
        server.asked.append(self.headers["Range"])
        first, last = (int(n) for n in self.headers["Range"].removeprefix("bytes=").split("-"))
        last = min(last, len(CONTENT) - 1)
        if len(server.asked) > server.answers:
            self.send_error(503)
            return
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {first}-{last}/{len(CONTENT)}")
        self.send_header("Content-Length", str(last + 1 - first))
        self.end_headers()
        try:
            self.wfile.write(CONTENT[first : last + 1])
        except ConnectionError:
            self.close_connection = True

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Any]:
    result: Any = ThreadingHTTPServer(("127.0.0.1", 0), _Ranges)
    result.asked, result.answers = [], 1000
    thread = threading.Thread(target=result.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield result
    result.shutdown()
    result.server_close()
    thread.join()


def reads(place: str, name: str, **arguments: Any) -> Any:
    source = open_source(place)
    limits = replace(LIMITS, answer_bytes=MIB)
    try:
        return sandbox.run(
            f"tests.gpu_tasks.confined_calls:{name}", arguments, limits=limits, source=source
        )
    finally:
        source.close()


class TestReading:
    @pytest.fixture(params=["file", "url"])
    def place(self, request: pytest.FixtureRequest, tmp_path: Path, server: Any) -> str:
        if request.param == "url":
            return f"http://127.0.0.1:{server.server_port}/users/1/source.mp4?signed=1"
        (tmp_path / "source.mp4").write_bytes(CONTENT)
        return str(tmp_path / "source.mp4")

    def test_any_stretch(self, place: str) -> None:
        spans = [(0, 10), (900_000, 5), (7, 300_000), (-3, 10), (2_000_000, 4)]
        result = reads(place, "stretches", spans=spans)
        whole = [CONTENT[o : o + n] if o >= 0 else CONTENT[o:] for o, n in spans]
        assert result == [stretch.hex() for stretch in whole] == [*result[:4], ""]

    def test_the_name(self, place: str) -> None:
        assert reads(place, "name_of") == "source.mp4"

    def test_reading_on_is_one_question(self, server: Any) -> None:
        url = f"http://127.0.0.1:{server.server_port}/source"
        assert reads(url, "read_often", times=1) == len(CONTENT)
        assert server.asked == [f"bytes=0-{sources.WINDOW_BYTES - 1}"]

    def test_no_more_than_so_often(self, server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sandbox, "READ_BYTES", 0)
        url = f"http://127.0.0.1:{server.server_port}/source"
        assert reads(url, "read_often", times=4) == 4 * len(CONTENT)
        with pytest.raises(SandboxExceededError) as caught:
            reads(url, "read_often", times=5)
        assert caught.value.limit == Limit.INPUT

    def test_a_storage_that_is_away(self, server: Any) -> None:
        url = f"http://127.0.0.1:{server.server_port}/source"
        server.answers = 1
        with pytest.raises(SourceLostError):
            reads(url, "read_often", times=2)
        with pytest.raises(SourceLostError):
            open_source("http://127.0.0.1:9/source")
        with pytest.raises(SourceLostError):
            open_source("/nowhere/source.mp4")
