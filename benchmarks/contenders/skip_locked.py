"""Run chains in a table that is a queue, as in pgmq, with a visibility timeout.

Messages are read ten at once by SKIP LOCKED. A processed message is deleted in the transaction that
sends the next one.
"""

import time

import psycopg

from benchmarks.contenders import DATABASE, STEPS, count_done

AT_ONCE = 10
PAUSE_SECONDS = 0.005
TABLE = """
    CREATE TABLE benchmark_messages (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, job_id bigint, number integer,
        reads integer DEFAULT 0, visible_at timestamptz DEFAULT now()
    );
    CREATE INDEX ON benchmark_messages (visible_at)
"""
SEND = "INSERT INTO benchmark_messages (job_id, number) VALUES (%s, %s)"
SEND_ON = """
    INSERT INTO benchmark_messages (job_id, number)
    SELECT * FROM unnest(%s::bigint[], %s::integer[])
"""
READ = """
    WITH due AS (
        SELECT id FROM benchmark_messages WHERE visible_at <= clock_timestamp()
        ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED
    )
    UPDATE benchmark_messages AS one
    SET visible_at = clock_timestamp() + interval '30 s', reads = reads + 1
    FROM due WHERE one.id = due.id RETURNING one.id, job_id, number
"""
DELETE = "DELETE FROM benchmark_messages WHERE id = ANY(%s)"

database = psycopg.connect(DATABASE, autocommit=True) if DATABASE else None


def prepare() -> None:
    """Create the table of the queue."""
    assert database
    database.execute(TABLE)


def submit(job_id: int) -> None:
    """Send the message of the first step."""
    assert database
    database.execute(SEND, [job_id, 1])


def work() -> None:
    """Read messages and send the next ones, forever."""
    assert database
    while True:
        messages = database.execute(READ, [AT_ONCE]).fetchall()
        if not messages:
            time.sleep(PAUSE_SECONDS)
            continue
        following = [(job_id, number + 1) for _, job_id, number in messages if number < STEPS]
        with database.transaction():
            if following:
                database.execute(SEND_ON, [list(column) for column in zip(*following, strict=True)])
            database.execute(DELETE, [[message_id for message_id, _, _ in messages]])
        for _ in range(len(messages) - len(following)):
            count_done()


if __name__ == "__main__":
    work()
