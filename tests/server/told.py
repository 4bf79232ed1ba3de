"""An application for `auteur.server`: says which process answers, after the seconds asked for."""

import os
import time
from collections.abc import Callable, Iterable
from urllib.parse import parse_qs

import django

from auteur.server.gateway import Environ

django.setup()


def application(environ: Environ, start_response: Callable[..., object]) -> Iterable[bytes]:
    time.sleep(float(parse_qs(environ["QUERY_STRING"]).get("seconds", ["0"])[0]))
    body = b"%d" % os.getpid()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
