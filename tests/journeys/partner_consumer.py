"""`manage.py partner_consumer`, whose groups of Kafka soon see that somebody died.

``python -m tests.journeys.partner_consumer``: the mock cluster waits for almost a session's length
whenever a member comes or goes, where a broker waits for those alone who do not answer.
"""

import os
import sys

from django.core.management import execute_from_command_line

from jobs.integrations.partners.transports import kafka
from tests.jobs.integrations.partners.transports.reader import SESSION_MS

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "auteur.settings")
    kafka.SESSION_MS = SESSION_MS
    execute_from_command_line(["manage.py", "partner_consumer", *sys.argv[1:]])
