"""What people agree to, where a client shows no statement of its own."""

from collections.abc import Mapping
from dataclasses import dataclass

from media.consents.models import ConsentKind


@dataclass(frozen=True)
class Statement:
    """The words, and a version that is counted up with each change of them."""

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


def worded(kind: ConsentKind, shown: str) -> Statement:
    """What is recorded: the words that a client has ``shown``, else ours."""
    return Statement(shown, "") if shown else STATEMENTS[kind]
