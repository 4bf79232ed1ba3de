import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from auteur.devstack.child import TAIL_LINES, Child, read_last_lines, rotate_log
from auteur.devstack.errors import StackError
from auteur.devstack.process import Process
from auteur.devstack.stack_state import is_alive
from auteur.devstack.supervisor import FAILURES_AT_START, Supervisor, list_dependencies
from tests.auteur.devstack.conftest import TinyStack, wait_until_up
from tests.waiting import until

SLEEP = (sys.executable, "-c", "import time; time.sleep(600)")


def supervisor_of(*processes: Process, logs: Path, said: list[str]) -> Supervisor:
    return Supervisor(processes, logs, said.append)


class TestOrder:
    def test_what_is_needed_is_ready_before_its_users_start(self, tmp_path: Path) -> None:
        flag = tmp_path / "flag"
        first = Process("first", (sys.executable, "-c", f"open({str(flag)!r}, 'w')"), once=True)
        check = (
            f"import pathlib, time; assert pathlib.Path({str(flag)!r}).exists(); time.sleep(600)"
        )
        second = Process("second", (sys.executable, "-c", check), needs=("first",))
        output: list[str] = []
        supervisor = supervisor_of(second, first, logs=tmp_path, said=output)
        try:
            assert supervisor.start()
        finally:
            supervisor.stop()
        assert output == ["first is done", "second is ready"]

    def test_foundations_reach_through_what_ran_once(self) -> None:
        below = list_dependencies(
            [
                Process("store", SLEEP),
                Process("migrate", SLEEP, needs=("store",)),
                Process("api", SLEEP, needs=("migrate",)),
                Process("worker", SLEEP, uses=("api",)),
            ]
        )
        assert below["worker"] == {"api", "migrate", "store"}

    def test_users_stop_before_what_they_build_on(self, tmp_path: Path) -> None:
        trace = tmp_path / "trace"
        program = (
            "import signal, sys, time\n"
            "def end(*_):\n"
            "    time.sleep(float(sys.argv[2]))\n"
            "    open(sys.argv[3], 'a').write(sys.argv[1] + '\\n')\n"
            "    sys.exit()\n"
            "signal.signal(signal.SIGTERM, end)\n"
            "open(sys.argv[3] + sys.argv[1], 'w')\n"
            "time.sleep(600)\n"
        )

        def process(name: str, delay: str, needs: tuple[str, ...] = ()) -> Process:
            return Process(
                name,
                (sys.executable, "-c", program, name, delay, str(trace)),
                needs=needs,
                ready=Path(f"{trace}{name}").exists,
            )

        slow_user = process("user", "0.3", ("store",))
        supervisor = supervisor_of(process("store", "0"), slow_user, logs=tmp_path, said=[])
        supervisor.start()
        supervisor.stop()
        assert trace.read_text().split() == ["user", "store"]


class TestFailure:
    def test_one_that_keeps_failing_at_start_is_named_with_its_last_lines(
        self, tmp_path: Path
    ) -> None:
        failing = Process("broken", (sys.executable, "-c", "import sys; sys.exit('no luck')"))
        output: list[str] = []
        supervisor = supervisor_of(failing, logs=tmp_path, said=output)
        with pytest.raises(StackError) as caught:
            supervisor.start()
        supervisor.stop()
        assert f"broken ended (1). Its log, {tmp_path / 'broken.log'}, ends:" in str(caught.value)
        assert str(caught.value).endswith("    no luck")
        assert len(output) == FAILURES_AT_START - 1

    def test_one_that_keeps_failing_later_is_told_and_kept_trying(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("auteur.devstack.child.FIRST_BACKOFF_SECONDS", 0.01)
        (starting := tmp_path / "starting").touch()
        program = (
            "import pathlib, time; print('up', flush=True)\n"
            f"while pathlib.Path({str(starting)!r}).exists(): time.sleep(0.01)\n"
            "raise SystemExit('oh')"
        )
        failing = Process("weak", (sys.executable, "-c", program), announcement="up")
        output: list[str] = []
        supervisor = supervisor_of(failing, logs=tmp_path, said=output)
        supervisor.start()
        starting.unlink()

        def failed_once_more() -> bool:
            supervisor.tick()
            return supervisor.children[0].failures > FAILURES_AT_START

        until(failed_once_more)
        supervisor.stop()
        result = [line for line in output if "keeps failing" in line]
        assert len(result) == 1
        assert result[0].endswith("    oh")

    def test_a_single_run_that_fails_is_not_tried_again(self, tmp_path: Path) -> None:
        once = Process("migrate", (sys.executable, "-c", "raise SystemExit(3)"), once=True)
        supervisor = supervisor_of(once, logs=tmp_path, said=[])
        with pytest.raises(StackError, match=r"migrate ended \(3\)"):
            supervisor.start()

    def test_what_does_not_get_ready_in_time_is_named(self, tmp_path: Path) -> None:
        late = Process("late", SLEEP, ready=lambda: False)
        waiting = Process("waiting", SLEEP, needs=("late",))
        supervisor = supervisor_of(waiting, late, logs=tmp_path, said=[])
        with pytest.raises(StackError, match=r"late is not ready after 0.3 s"):
            supervisor.start(seconds=0.3)
        late_pid = supervisor.children[1].pid
        supervisor.stop()
        assert supervisor.children[0].pid is None
        assert late_pid
        assert not psutil.pid_exists(late_pid)

    def test_a_missing_binary_is_one_line(self, tmp_path: Path) -> None:
        supervisor = supervisor_of(Process("odd", ("/no/such/binary",)), logs=tmp_path, said=[])
        with pytest.raises(StackError) as caught:
            supervisor.start()
        expected = "odd: /no/such/binary does not start: No such file or directory."
        assert str(caught.value) == expected

    def test_the_wait_before_a_restart_doubles_up_to_a_bound(self, tmp_path: Path) -> None:
        child = Child(Process("any", SLEEP), tmp_path / "any.log")
        child.started = time.monotonic()
        assert [child.back_off() for _ in range(8)] == [0.5, 1, 2, 4, 8, 16, 30, 30]

    def test_one_that_ran_long_starts_with_the_first_wait(self, tmp_path: Path) -> None:
        child = Child(Process("any", SLEEP), tmp_path / "any.log")
        child.started = time.monotonic()
        child.back_off()
        child.started = time.monotonic() - 61
        assert child.back_off() == 0.5


class TestLogs:
    def test_the_last_lines(self, tmp_path: Path) -> None:
        log = tmp_path / "a.log"
        log.write_text("".join(f"line {number}\n\n" for number in range(9)))
        assert read_last_lines(log).split("\n") == [
            f"    line {number}" for number in range(9 - TAIL_LINES, 9)
        ]

    def test_a_large_log_is_set_aside(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("auteur.devstack.child.LOG_BYTES", 10)
        log = tmp_path / "a.log"
        log.write_text("x" * 10)
        rotate_log(log)
        assert log.exists()
        log.write_text("x" * 11)
        rotate_log(log)
        assert not log.exists()
        assert (tmp_path / "a.log.1").read_text() == "x" * 11


def children_named(pid: int, name: str) -> list[psutil.Process]:
    children = []
    for child in psutil.Process(pid).children():
        with suppress(psutil.NoSuchProcess):  # it has ended meanwhile
            if child.name() == name:
                children.append(child)
    return children


class TestWholeStack:
    def test_what_is_killed_starts_again(self, tiny_stack: TinyStack, var: Path) -> None:
        supervisor = tiny_stack()
        before = wait_until_up(supervisor, var)
        redis = next(process for process in before if process.name() == "redis-server")
        redis.kill()
        redis.wait(timeout=10)
        after = until(lambda: children_named(supervisor.pid, "redis-server"), seconds=10)
        assert len(after) == 1
        until(lambda: wait_until_up(supervisor, var), seconds=10)
        supervisor.send_signal(signal.SIGTERM)
        output, _ = supervisor.communicate(timeout=20)
        assert "redis was ended by SIGKILL, starts again in 0.5 s" in output

    def test_what_a_killed_process_started_is_ended_too(
        self, tiny_stack: TinyStack, var: Path
    ) -> None:
        before = wait_until_up(supervisor := tiny_stack(), var)
        grandchild = next(p for p in before if p.ppid() != supervisor.pid)
        psutil.Process(grandchild.ppid()).kill()
        grandchild.wait(timeout=60)

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
    def test_a_signal_stops_all(
        self, tiny_stack: TinyStack, var: Path, number: signal.Signals
    ) -> None:
        supervisor = tiny_stack()
        children = wait_until_up(supervisor, var)
        assert len(children) == 3
        supervisor.send_signal(number)
        output, _ = supervisor.communicate(timeout=20)
        assert supervisor.returncode == 0
        assert "killed" not in output
        assert not [child for child in children if is_alive(child)]
        assert not (var / "stack.json").exists()

    def test_one_that_does_not_stop_in_time_is_killed(
        self, tiny_stack: TinyStack, var: Path
    ) -> None:
        supervisor = tiny_stack("DEAF")
        children = wait_until_up(supervisor, var)
        supervisor.send_signal(signal.SIGTERM)
        output, _ = supervisor.communicate(timeout=20)
        assert "deaf did not stop in 0.5 s and is killed" in output
        assert not [child for child in children if is_alive(child)]

    def test_a_second_signal_ends_all_at_once(self, tiny_stack: TinyStack, var: Path) -> None:
        supervisor = tiny_stack("DEAF", "PATIENT")
        children = wait_until_up(supervisor, var)
        supervisor.send_signal(signal.SIGINT)
        time.sleep(0.5)
        assert supervisor.poll() is None
        supervisor.send_signal(signal.SIGINT)
        supervisor.communicate(timeout=60)
        assert not [child for child in children if is_alive(child)]

    @pytest.mark.skipif(not sys.platform.startswith("linux"), reason="asks the Linux kernel")
    def test_all_end_with_a_supervisor_that_is_killed(
        self, tiny_stack: TinyStack, var: Path
    ) -> None:
        supervisor = tiny_stack()
        wait_until_up(supervisor, var)
        children = psutil.Process(supervisor.pid).children()
        assert len(children) == 2
        supervisor.kill()
        until(lambda: not any(map(is_alive, children)), seconds=10)

    def test_the_next_run_ends_what_a_killed_one_left(
        self, tiny_stack: TinyStack, var: Path
    ) -> None:
        first = tiny_stack("DEAF")
        children = wait_until_up(first, var)
        first.kill()
        first.wait()
        second = tiny_stack()
        wait_until_up(second, var)
        assert not [child for child in children if is_alive(child)]
        second.send_signal(signal.SIGTERM)
        output, _ = second.communicate(timeout=20)
        assert "deaf was still running after a killed run, and was stopped" in output

    def test_a_second_run_says_that_the_stack_runs(self, tiny_stack: TinyStack, var: Path) -> None:
        first = tiny_stack()
        wait_until_up(first, var)
        second = tiny_stack()
        output, _ = second.communicate(timeout=20)
        assert second.returncode == 1
        assert output.startswith("The stack already runs at http://127.0.0.1:1 ")
        assert output.count("\n") == 1
        assert first.poll() is None

    def test_one_that_never_works_stops_the_start_and_leaves_nothing(
        self, tiny_stack: TinyStack, var: Path
    ) -> None:
        output, _ = (supervisor := tiny_stack("BROKEN")).communicate(timeout=30)
        assert supervisor.returncode == 1
        assert "this one never works" in output
        assert "Traceback" not in output
        assert not (var / "stack.json").exists()
