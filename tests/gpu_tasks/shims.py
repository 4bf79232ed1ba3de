"""torchaudio and torchvision without their compiled parts, which CPUs have no build of.

Only where `make test-shims` has put them on the path; nothing that is tested uses those parts.
"""

import importlib.util
import sys
from types import ModuleType

from tests.gpu_tasks.torchvision_shim import import_torchvision


def stand_in() -> None:
    """Have both import from here on, whoever asks first."""
    if importlib.util.find_spec("torchaudio") is not None:
        extension = ModuleType("torchaudio._extension")
        extension.__dict__.update(
            _IS_ALIGN_AVAILABLE=False,
            _IS_RIR_AVAILABLE=False,
            _IS_TORCHAUDIO_EXT_AVAILABLE=False,
            fail_if_no_align=lambda function: function,
            fail_if_no_rir=lambda function: function,
        )
        sys.modules.setdefault("torchaudio._extension", extension)
    if importlib.util.find_spec("torchvision") is not None:
        import_torchvision()
