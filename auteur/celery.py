"""The Celery application; its options live in ``celeryconfig.py``, its tasks in the apps."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "auteur.settings")

app = Celery("auteur")
app.config_from_object("celeryconfig")
app.autodiscover_tasks()
