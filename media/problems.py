"""Define the problems that more than one module of `media` raises."""

from auteur.core.api.problems import Problem


class UploadRefusedProblem(Problem):
    """The base of problems with an uploaded object that can never become a media file."""

    status_code = 422
    default_code = "upload_refused"
    default_detail = "The uploaded file was refused. Upload another one."


class FileTooLargeProblem(UploadRefusedProblem):
    """Raised if a file is larger than declared, or larger than allowed."""

    status_code = 413
    default_code = "file_too_large"
    default_detail = "The file is larger than declared, or larger than allowed."


class SizeMismatchProblem(UploadRefusedProblem):
    """Raised if a file is smaller than declared."""

    status_code = 422
    default_code = "size_mismatch"
    default_detail = "The file is smaller than declared. Upload all of it."
