"""What the tests of the sandbox have done in it: each takes one thing, up to a limit or past it."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from gpu_tasks.runtime.errors import EngineError, ErrorCode, InputRefusedError


def echo(**arguments: Any) -> Any:
    return arguments


def allocate(size: int) -> int:
    return len(bytearray(b"\1") * size)


def burn(seconds: float) -> str:
    while time.process_time() < seconds:
        pass
    return "done"


def sleep(seconds: float) -> str:
    time.sleep(seconds)
    return "done"


def write(size: int) -> int:
    return Path("file").write_bytes(b"\0" * size)


def open_files(count: int) -> int:
    return len([os.dup(2) for _ in range(count)])


def answer(size: int) -> str:
    return "a" * size


def shout(size: int) -> None:
    """More than an answer may be, past all that checks it in the child."""
    os.write(int(sys.argv[1]), b"a" * size)


def connect(family: str) -> None:
    socket.socket(getattr(socket, family), socket.SOCK_STREAM)


def start_program() -> int:
    return subprocess.run(["/bin/true"], check=False).returncode


def connect_from_a_program() -> str:
    code = "import socket; socket.socket(socket.AF_INET)"
    tried = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    return tried.stderr.decode().strip().splitlines()[-1]


def look_around() -> dict[str, Any]:
    folder = Path.cwd()
    paths = [str(path) for path in folder.iterdir()]
    return {"environment": dict(os.environ), "folder": paths, "place": str(folder)}


def look_into(pid: int) -> int:
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    libc.process_vm_readv(pid, None, 0, None, 0, 0)
    return ctypes.get_errno()


def be_killed(number: int) -> None:
    os.kill(os.getpid(), number)


def fill_the_disk() -> None:
    Path("/dev/full").write_bytes(b"x")


def lose_a_program(number: int) -> None:
    """FFmpeg is killed while it works."""
    import psutil

    from gpu_tasks.mediakit import ffmpeg

    def kill(_share: float) -> None:
        for child in psutil.Process().children():
            child.send_signal(number)

    endless = ["-f", "lavfi", "-re", "-i", "testsrc2=duration=60", "-f", "null", "-"]
    ffmpeg.run(endless, progress=kill)


def outlive(seconds: float) -> None:
    """Start a program that would outlive the call."""
    code = f"import os, time; open('pid', 'w').write(str(os.getpid())); time.sleep({seconds})"
    subprocess.Popen([sys.executable, "-c", code])
    while not Path("pid").exists() or not Path("pid").read_text():
        time.sleep(0.01)


def refuse(code: str, detail: str | None) -> None:
    raise InputRefusedError(code, detail)


def fail_as_an_engine() -> None:
    raise EngineError(ErrorCode.INPUT_INVALID, "No.")


def run_out_of_memory_inside() -> None:
    try:
        bytearray(1 << 50)
    except MemoryError as exc:
        raise EngineError(ErrorCode.INPUT_INVALID, "Damaged.") from exc


def break_down() -> None:
    raise KeyError("oops")


def count(upto: int, tell: Callable[[Any], None]) -> str:
    for number in range(upto):
        tell(number)
    return "done"


def stretches(source: BinaryIO, spans: list[list[int]]) -> list[str]:
    result = []
    for offset, length in spans:
        source.seek(offset, os.SEEK_END if offset < 0 else os.SEEK_SET)
        result.append(source.read(length).hex())
    return result


def read_often(source: BinaryIO, times: int) -> int:
    total = 0
    for _ in range(times):
        source.seek(0)
        while result := source.read(1 << 20):
            total += len(result)
    return total


def name_of(source: BinaryIO) -> str:
    return source.name


def lie() -> None:
    os.write(int(sys.argv[1]), json.dumps(["neither", "this", "nor", "that"]).encode() + b"\n")
    time.sleep(60)


def close_and_hang() -> None:
    os.close(int(sys.argv[1]))
    signal.pause()


def ask_often(times: int, ask: Callable[[Any], bytes]) -> list[str]:
    """Return the parent's answers to 0, 1, 2 and so on."""
    return [ask(number).decode() for number in range(times)]


def allocate_and_wait(size: int, seconds: float) -> int:
    content = bytearray(b"\1") * size
    time.sleep(seconds)
    return len(content)


def start_one_that_allocates(size: int, seconds: float) -> int:
    program = f"import time; content = bytearray(b'x') * {size}; time.sleep({seconds})"
    return subprocess.run([sys.executable, "-c", program], check=False).returncode


def oom_score_adjustment() -> int:
    return int(Path("/proc/self/oom_score_adj").read_text())
