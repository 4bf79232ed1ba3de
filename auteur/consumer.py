"""The part of a worker that reads messages, as it is with RabbitMQ."""

from celery.worker import consumer


class Consumer(consumer.Consumer):
    """Celery's, without the 28 queues of tasks with a countdown: we have none."""

    class Blueprint(consumer.Consumer.Blueprint):  # type: ignore[valid-type,misc]  # says the stub
        """The steps in which it starts."""

        default_steps = [
            step
            for step in consumer.Consumer.Blueprint.default_steps
            if not step.endswith(":DelayedDelivery")
        ]
