"""Confinement of this process and all that it starts; it cannot be undone.

On Linux, the process has no network, cannot look into other processes, and has a memory limit;
elsewhere it has only the limits that the system supports. No privileges are needed, so it works in
a container that has none (docs/decisions/0015).
"""

import ctypes
import math
import os
import platform
import resource
import signal
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

MIB = 1024**2

PR_SET_PDEATHSIG, PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS = 1, 22, 38  # linux/prctl.h
SECCOMP_MODE_FILTER = 2  # linux/seccomp.h
ALLOW, KILL, REFUSE = 0x7FFF0000, 0x80000000, 0x00050000 | 13  # refused calls fail with EACCES
LOAD, JUMP_EQUAL, JUMP_AT_LEAST, RETURN = 0x20, 0x15, 0x35, 0x06  # linux/bpf_common.h
NUMBER_AT, ARCHITECTURE_AT = 0, 4  # struct seccomp_data
X32 = 0x40000000
"""The bit of x86-64's second table of system calls, which our code does not use."""
NETWORK_AND_OTHERS = (
    "socket",
    "io_uring_setup",
    "ptrace",
    "process_vm_readv",
    "process_vm_writev",
    "pidfd_getfd",
)
"""io_uring opens sockets too. The others look into processes of the same user."""
PROGRAMS = ("execve", "execveat")
MOST_KILLABLE = 1000
"""The highest oom_score_adj (proc(5)); raising it needs no privilege."""


@dataclass(frozen=True)
class _Architecture:
    audit: int
    """Number of the architecture in linux/audit.h."""
    calls: dict[str, int]


ARCHITECTURES = {
    "x86_64": _Architecture(
        0xC000003E,
        {
            "socket": 41,
            "ptrace": 101,
            "process_vm_readv": 310,
            "process_vm_writev": 311,
            "io_uring_setup": 425,
            "pidfd_getfd": 438,
            "execve": 59,
            "execveat": 322,
        },
    ),
    "aarch64": _Architecture(
        0xC00000B7,
        {
            "socket": 198,
            "ptrace": 117,
            "process_vm_readv": 270,
            "process_vm_writev": 271,
            "io_uring_setup": 425,
            "pidfd_getfd": 438,
            "execve": 221,
            "execveat": 281,
        },
    ),
}


@dataclass(frozen=True)
class Limits:
    """The limits of a confined process; ``None`` is no limit."""

    memory_bytes: int | None = 512 * MIB
    """Address space of each process, beyond that of the interpreter and its libraries."""
    cpu_seconds: int = 30
    """CPU time of each process."""
    wall_seconds: float = 60.0
    """Enforced by the parent, which does not count the time that it takes itself."""
    file_bytes: int = 64 * MIB
    """Size of each written file."""
    open_files: int = 64
    answer_bytes: int = 8 * MIB
    programs: bool = False
    """True if it may start programs such as FFmpeg, which are confined likewise."""


def isolate(parent: int, *, programs: bool) -> None:
    """Cut this process off from network and other processes, and make it end with ``parent``.

    Without ``programs``, it can start none. Raises ``OSError`` if Linux cannot do it: the process
    must not run unconfined.
    """
    if not sys.platform.startswith("linux"):
        return
    _call_prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # the parent died before prctl
        os._exit(1)
    # When a container runs out of memory, the kernel kills this process before any other of ours.
    with suppress(OSError):  # the system has no such setting
        Path("/proc/self/oom_score_adj").write_text(str(MOST_KILLABLE))
    _call_prctl(PR_SET_NO_NEW_PRIVS, 1)
    names = NETWORK_AND_OTHERS if programs else NETWORK_AND_OTHERS + PROGRAMS
    _call_prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(_Filter.build(names)))


def limit(limits: Limits) -> None:
    """Set the limits of the system. The memory limit counts from the memory in use now."""
    _set_limit(resource.RLIMIT_CORE, 0)
    _set_limit(resource.RLIMIT_CPU, limits.cpu_seconds, grace=1)
    _set_limit(resource.RLIMIT_FSIZE, limits.file_bytes)
    _set_limit(resource.RLIMIT_NOFILE, limits.open_files)
    # This ends the process if the parent is gone and the kernel does not tell us.
    signal.setitimer(signal.ITIMER_REAL, 2 * math.ceil(limits.wall_seconds) + 10)
    if limits.memory_bytes is not None and sys.platform.startswith("linux"):
        _set_limit(resource.RLIMIT_AS, _get_address_space() + limits.memory_bytes)


def _set_limit(kind: int, value: int, grace: int = 0) -> None:
    _, hard = resource.getrlimit(kind)
    if hard != resource.RLIM_INFINITY:
        value = min(value, hard)
        grace = min(grace, hard - value)
    resource.setrlimit(kind, (value, value + grace))


def _get_address_space() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    return pages * resource.getpagesize()


def _call_prctl(option: int, argument: int, pointer: object = 0) -> None:
    if isinstance(pointer, int):
        pointer = ctypes.c_ulong(pointer)
    zero = ctypes.c_ulong(0)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, ctypes.c_ulong(argument), pointer, zero, zero):
        raise OSError(ctypes.get_errno(), f"prctl({option}) failed")


class _Instruction(ctypes.Structure):
    """``struct sock_filter`` of linux/filter.h."""

    _fields_ = (
        ("code", ctypes.c_uint16),
        ("if_true", ctypes.c_uint8),
        ("if_false", ctypes.c_uint8),
        ("value", ctypes.c_uint32),
    )


class _Filter(ctypes.Structure):
    """``struct sock_fprog``: a program that the kernel runs before each system call."""

    _fields_ = (("length", ctypes.c_ushort), ("program", ctypes.POINTER(_Instruction)))

    @classmethod
    def build(cls, names: tuple[str, ...]) -> "_Filter":
        """Build a filter that refuses the named calls.

        A process that uses another architecture's numbers is killed.
        """
        architecture = ARCHITECTURES.get(platform.machine())
        if architecture is None:
            raise OSError(f"Nothing can be confined on {platform.machine()}.")
        program = [
            _Instruction(LOAD, 0, 0, ARCHITECTURE_AT),
            _Instruction(JUMP_EQUAL, 1, 0, architecture.audit),
            _Instruction(RETURN, 0, 0, KILL),
            _Instruction(LOAD, 0, 0, NUMBER_AT),
            _Instruction(JUMP_AT_LEAST, len(names) + 1, 0, X32),
        ]
        for skipped, name in zip(range(len(names), 0, -1), names, strict=True):
            program.append(_Instruction(JUMP_EQUAL, skipped, 0, architecture.calls[name]))
        program += [_Instruction(RETURN, 0, 0, ALLOW), _Instruction(RETURN, 0, 0, REFUSE)]
        return cls(len(program), (_Instruction * len(program))(*program))
