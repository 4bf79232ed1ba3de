"""Serve the baseline of `benchmarks.submission`: a Django view that inserts one row."""

import json
import os
import uuid
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings

from auteur.settings import (
    API_PROCESSES,
    API_SERVER,
    FIRST_SANDBOX_MEMORY_MIB,
    SANDBOX_MEMORY_MIB,
)

_database = urlsplit(os.environ["BENCHMARK_DATABASE_URL"])
settings.configure(
    SECRET_KEY="benchmark" * 5,
    ROOT_URLCONF=__name__,
    ALLOWED_HOSTS=["*"],
    MIDDLEWARE=["django.middleware.common.CommonMiddleware"],  # it tells how long an answer is
    API_PROCESSES=API_PROCESSES,
    API_SERVER=API_SERVER,
    SANDBOX_MEMORY_MIB=SANDBOX_MEMORY_MIB,
    FIRST_SANDBOX_MEMORY_MIB=FIRST_SANDBOX_MEMORY_MIB,
    REST_FRAMEWORK={},
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "HOST": _database.hostname,
            "PORT": _database.port,
            "USER": _database.username,
            "PASSWORD": _database.password,
            "NAME": _database.path[1:],
            "CONN_MAX_AGE": 600,
            "OPTIONS": {"prepare_threshold": 0},
        }
    },
)

import django

django.setup()

from django.core.wsgi import get_wsgi_application
from django.db import connection
from django.http import HttpRequest, JsonResponse
from django.urls import path

_INSERT = "INSERT INTO benchmark_rows (id, body) VALUES (%s, %s)"


def insert_row(request: HttpRequest) -> JsonResponse:
    """Insert one row with the body."""
    body: Any = json.loads(request.body)
    row_id = uuid.uuid4()
    with connection.cursor() as cursor:
        cursor.execute(_INSERT, [row_id, json.dumps(body)])
    return JsonResponse({"job_id": str(row_id), "status": "pending"}, status=202)


urlpatterns = [path("rows", insert_row)]
application = get_wsgi_application()
