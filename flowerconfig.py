"""All options of Flower, which reads this file by itself from where it is started."""

from django.conf import settings

if settings.FLOWER_LOGIN:
    basic_auth = [settings.FLOWER_LOGIN]
if settings.FLOWER_HISTORY:
    persistent = True
    db = settings.FLOWER_HISTORY
    state_save_interval = 60_000  # milliseconds; a Flower that is killed loses a minute
max_tasks_in_memory = 10_000
