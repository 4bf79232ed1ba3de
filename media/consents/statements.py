"""Define the statements that people agree to when a client shows none of its own."""

from collections.abc import Mapping
from dataclasses import dataclass

from media.consents.models import ConsentKind


@dataclass(frozen=True)
class Statement:
    """A statement's text, and its version, which increases with each change of the text."""

    text: str
    version: str


STATEMENTS: Mapping[ConsentKind, Statement] = {
    ConsentKind.VOICE: Statement(
        "The voice in this recording is my own, or its owner has allowed me to have speech made "
        "with it. I may withdraw this at any time: the recording and all that was made with it "
        "are then deleted.",
        "2",
    ),
    ConsentKind.FACE: Statement(
        "The face in these files is my own, or its owner has allowed me to have pictures made with "
        "it. I may withdraw this at any time: the files and all that was made of them are then "
        "deleted.",
        "1",
    ),
}


def choose_statement(kind: ConsentKind, client_text: str) -> Statement:
    """Return the statement to record: the client's text if it is not empty, else ours."""
    return Statement(client_text, "") if client_text else STATEMENTS[kind]
