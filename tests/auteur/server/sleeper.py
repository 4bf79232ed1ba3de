"""An application for `auteur.server`: says which process answers, after the seconds asked for.

It prints the number of its process when it begins to wait.
"""

import os
import time
from collections.abc import Callable, Iterable
from urllib.parse import parse_qs

import django

from auteur.server.gateway import Environ

django.setup()


def application(environ: Environ, start_response: Callable[..., object]) -> Iterable[bytes]:
    if seconds := float(parse_qs(environ["QUERY_STRING"]).get("seconds", ["0"])[0]):
        print(f"{os.getpid()} waits", flush=True)  # noqa: T201
        time.sleep(seconds)
    body = b"%d" % os.getpid()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
