"""How many connections there may be, each limit at its edge."""

from contextlib import ExitStack

from accounts.models import User
from auteur.live.limits import CONNECTIONS_PER_USER, UNKNOWN_PER_ADDRESS
from tests.live.running import Live, make_user
from tests.live.test_sockets import authenticate, code_of
from tests.waiting import until


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
    told = authenticate(socket, user)
    assert (told["type"], told["problem"]["code"]) == ("error", "too_many_connections")
    assert code_of(socket) == 4429


def test_the_last_socket_of_nobody_and_one_more(live: Live, user: User) -> None:
    with ExitStack() as exits:
        unknown = [exits.enter_context(live.socket()) for _ in range(UNKNOWN_PER_ADDRESS)]
        with live.socket() as beyond:
            assert code_of(beyond) == 4429
        assert authenticate(unknown[0], user)["type"] == "hello"
        with live.socket() as known:
            assert authenticate(known, user)["type"] == "hello"
