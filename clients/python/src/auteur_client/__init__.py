"""A client of Auteur: uploads, jobs, events, edits and results.

`Auteur` does what takes several requests; `auteur_client.api` has each operation, typed.
"""

from auteur_client.api.job_kinds import FeatureName
from auteur_client.client import Auteur
from auteur_client.errors import (
    AuteurError,
    InsufficientCreditsError,
    JobFailedError,
    NotSignedInError,
    ProblemError,
    StaleEditError,
    UnreachableError,
    UploadRejectedError,
)
from auteur_client.events import Event

__all__ = [
    "Auteur",
    "AuteurError",
    "Event",
    "FeatureName",
    "InsufficientCreditsError",
    "JobFailedError",
    "NotSignedInError",
    "ProblemError",
    "StaleEditError",
    "UnreachableError",
    "UploadRejectedError",
]
