"""The synthesisers of the draft: flite where it is installed, and eSpeak NG from its package."""

import importlib.util
import shutil
import subprocess
import sys
import tempfile
import unicodedata
import wave
from collections import Counter
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Protocol

import numpy as np

from gpu_tasks.runtime.errors import EngineError, ErrorCode
from gpu_tasks.tts.contract import SAMPLE_RATE
from gpu_tasks.tts.sound import SILENCE, Wave, from_pcm
from gpu_tasks.tts.text import romanised

TIMEOUT_SECONDS = 60
MISSING = (
    "No speech synthesiser is installed: the draft engine needs flite on PATH or the Python "
    "package espeakng-loader."
)
_SCRIPTS = """
    CYRILLIC=ru GREEK=el ARABIC=ar HEBREW=he DEVANAGARI=hi BENGALI=bn GURMUKHI=pa
    GUJARATI=gu ORIYA=or TAMIL=ta TELUGU=te KANNADA=kn MALAYALAM=ml SINHALA=si THAI=th
    MYANMAR=my GEORGIAN=ka ARMENIAN=hy ETHIOPIC=am HANGUL=ko HIRAGANA=ja KATAKANA=ja CJK=cmn
    BOPOMOFO=cmn
"""
SCRIPTS = dict(pair.split("=") for pair in _SCRIPTS.split())
"""The language that a script is read in, by the first word of its letters' Unicode names."""
LATIN_LANGUAGE = "en-us"


class Synthesiser(Protocol):
    """Speaks short texts in English voices of one low and one high pitch."""

    model: str

    @property
    def voices(self) -> Sequence[str]:
        """Their names; the first is the stock voice."""
        ...

    def reads(self, text: str) -> bool:
        """Whether it knows the letters."""
        ...

    def speak(self, text: str, voice: str) -> tuple[Wave, int]:
        """Samples and their rate; no samples where nothing of the text can be said."""
        ...


class Flite:
    """The program `flite` (CMU; a licence like BSD's): English, in ASCII."""

    voices = ("rms", "slt")
    model = "flite"

    def reads(self, text: str) -> bool:
        """Latin letters only."""
        return language_of(text) == LATIN_LANGUAGE

    def speak(self, text: str, voice: str) -> tuple[Wave, int]:
        """See ``Synthesiser``; other scripts are spelt by the names of their letters."""
        spelt = romanised(text)
        if not any(map(str.isalnum, spelt)):
            return SILENCE, SAMPLE_RATE
        with tempfile.TemporaryDirectory(prefix="auteur-flite-") as folder:
            source, target = Path(folder) / "text", Path(folder) / "speech.wav"
            source.write_text(spelt, encoding="ascii")
            _run(["flite", "-voice", voice, "-f", str(source), "-o", str(target)], "")
            return _read(target)


class Espeak:
    """eSpeak NG (GPL) by the package `espeakng-loader`: a hundred languages, like a robot."""

    voices = ("", "+f3")

    def __init__(self) -> None:
        self.model = f"espeak-ng (espeakng-loader {version('espeakng-loader')})"

    def reads(self, text: str) -> bool:
        """Anything."""
        return True

    def speak(self, text: str, voice: str) -> tuple[Wave, int]:
        """See ``Synthesiser``; each script is read in one of its languages."""
        with tempfile.TemporaryDirectory(prefix="auteur-espeak-") as folder:
            target = Path(folder) / "speech.wav"
            name = f"{language_of(text)}{voice}"
            _run([sys.executable, "-m", "gpu_tasks.tts.espeak", name, str(target)], text)
            return _read(target)


def installed() -> list[Synthesiser]:
    """Those that are there, the best first; raises ``EngineError`` where there is none."""
    found: list[Synthesiser] = []
    if shutil.which("flite"):
        found.append(Flite())
    if importlib.util.find_spec("espeakng_loader"):
        found.append(Espeak())
    if not found:
        raise EngineError(ErrorCode.MODEL_ERROR, MISSING)
    return found


def language_of(text: str) -> str:
    """The language to read most of the letters in, as eSpeak names it."""
    scripts = Counter(
        SCRIPTS.get(unicodedata.name(character, "").partition(" ")[0], LATIN_LANGUAGE)
        for character in text
        if character.isalpha()
    )
    if "ja" in scripts:
        return "ja"  # kana stand in no other language, most characters beside them do
    return scripts.most_common(1)[0][0] if scripts else LATIN_LANGUAGE


def _run(command: list[str], text: str) -> None:
    subprocess.run(
        command,
        input=text.encode(),
        check=True,
        capture_output=True,
        timeout=TIMEOUT_SECONDS,
        cwd=Path(__file__).parents[2],
    )


def _read(path: Path) -> tuple[Wave, int]:
    with wave.open(str(path)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")
        return from_pcm(samples), file.getframerate()
