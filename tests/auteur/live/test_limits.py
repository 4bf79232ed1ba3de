"""How many connections there may be, each limit at its edge."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from time import sleep

import psutil
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

from accounts.models import User
from auteur.live.limits import CONNECTIONS_PER_USER, MESSAGES_BURST, UNAUTHENTICATED_PER_ADDRESS
from tests.auteur.live.running import Live, make_user
from tests.auteur.live.test_sockets import authenticate, code_of, read, write
from tests.waiting import until

FLOODING = 60
FLOOD_BYTES = 4 * 1024**2
SOCKET_BYTES, SPARE_BYTES = 64 * 1024, 8 * 1024**2
PING_FRAME = b"\x89\x80\x00\x00\x00\x00"
TEXT_PING_FRAME = b'\x81\x8f\x00\x00\x00\x00{"type":"ping"}'


def test_the_last_connection_of_a_user_and_one_more(live: Live, user: User) -> None:
    with ExitStack() as exits:
        for _ in range(CONNECTIONS_PER_USER - 1):
            stream = exits.enter_context(live.stream("/events", user))
            next(stream)
        last = exits.enter_context(live.socket())
        assert authenticate(last, user)["type"] == "hello"
        beyond = exits.enter_context(live.socket())
        authenticate_in_vain(beyond, user)
        for headers in ({"Accept": "text/event-stream"}, {}):
            status, problem = live.ask("/events?wait=5", user, **headers)
            assert (status, problem["code"]) == (429, "too_many_connections")
        assert live.ask("/events", user)[0] == 200
        with live.stream("/events", make_user()) as another:
            assert next(another).event == "hello"
        last.close()
        until(lambda: opens(live, user), 10)
    until(lambda: opens(live, user), 10)


def opens(live: Live, user: User) -> bool:
    with live.get("/events", user, Accept="text/event-stream") as response:
        return response.status == 200


def authenticate_in_vain(socket, user: User) -> None:
    result = authenticate(socket, user)
    assert (result["type"], result["problem"]["code"]) == ("error", "too_many_connections")
    assert code_of(socket) == 4429


def test_the_last_socket_of_nobody_and_one_more(live: Live, user: User) -> None:
    with ExitStack() as exits:
        unknown = [exits.enter_context(live.socket()) for _ in range(UNAUTHENTICATED_PER_ADDRESS)]
        with live.socket() as beyond:
            assert code_of(beyond) == 4429
        assert authenticate(unknown[0], user)["type"] == "hello"
        with live.socket() as known:
            assert authenticate(known, user)["type"] == "hello"


def test_a_burst_of_messages_and_one_more(live: Live, user: User) -> None:
    with live.socket() as socket:
        authenticate(socket, user)
        for _ in range(MESSAGES_BURST - 1):
            write(socket, type="ping")
        assert [read(socket) for _ in range(MESSAGES_BURST - 1)] == [{"type": "pong"}] * 9
        with suppress(ConnectionClosed):
            for _ in range(MESSAGES_BURST):
                write(socket, type="ping")
        assert code_of(socket) == 4429
    with live.socket() as socket, suppress(ConnectionClosed):
        for _ in range(2 * MESSAGES_BURST):
            socket.ping()
        assert code_of(socket) == 4429


@pytest.mark.parametrize("frame", [PING_FRAME, TEXT_PING_FRAME], ids=["ping", "message"])
def test_floods_take_little_memory_and_honest_sockets_are_answered(
    live: Live, frame: bytes
) -> None:
    """Each flooding socket costs less than it would take to hold what it sends."""
    process = psutil.Process(live.process.pid)
    flood = frame * (FLOOD_BYTES // len(frame))
    with ExitStack() as exits:
        honest = exits.enter_context(live.socket())
        authenticate(honest, make_user())
        flooding = []
        for number in range(FLOODING):
            if number % CONNECTIONS_PER_USER == 0:
                user = make_user()
            flooding.append(exits.enter_context(live.socket()))
            assert authenticate(flooding[-1], user)["type"] == "hello"
        before = peak = process.memory_info().rss

        def send(socket: ClientConnection) -> None:
            with suppress(OSError):
                socket.socket.sendall(flood)

        with ThreadPoolExecutor(FLOODING) as pool:
            senders = [pool.submit(send, socket) for socket in flooding]
            for _ in range(MESSAGES_BURST // 2):
                write(honest, type="ping")
                assert read(honest) == {"type": "pong"}
                peak = max(peak, process.memory_info().rss)
            while not all(sender.done() for sender in senders):
                peak = max(peak, process.memory_info().rss)
                sleep(0.02)
        assert peak - before < FLOODING * SOCKET_BYTES + SPARE_BYTES
        write(honest, type="ping")
        assert read(honest) == {"type": "pong"}
