"""Where inference happens: one folder per feature, free of Django and Celery but in `backends`."""
