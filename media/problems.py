"""Define the problems that more than one module of `media` raises."""

from auteur.core.api.problems import Problem


class UploadRefusedProblem(Problem):
    """The uploaded object cannot become a media file, now or later."""

    status_code = 422
    default_code = "upload_refused"
    default_detail = "The uploaded file was refused."


class FileTooLargeProblem(UploadRefusedProblem):
    """More bytes than were told, or than anybody may upload."""

    status_code = 413
    default_code = "file_too_large"
    default_detail = "The file is larger than declared, or larger than allowed."


class SizeMismatchProblem(UploadRefusedProblem):
    """Fewer bytes than were told."""

    status_code = 422
    default_code = "size_mismatch"
    default_detail = "The file is smaller than declared."
