"""Run the synthesisers of the draft: flite if it is installed, and eSpeak NG from its package."""

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

import numpy as np

from gpu_tasks.runtime.errors import EngineError, ErrorCode
from gpu_tasks.tts.contract import SAMPLE_RATE
from gpu_tasks.tts.sound import SILENCE, Wave, convert_pcm
from gpu_tasks.tts.text import romanise

TIMEOUT_SECONDS = 60
TEXT, SPEECH = "text.txt", "speech.wav"
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
"""The language in which a script is read, by the first word of its letters' Unicode names."""
LATIN_LANGUAGE = "en-us"

SpokenSound = tuple[Wave, int]
"""Samples and their rate; no samples if nothing of a text is readable."""


class Flite:
    """The program `flite` (CMU; a licence like BSD's): English, in ASCII."""

    model = "flite"
    voices = ("rms", "slt")

    def can_read(self, text: str) -> bool:
        """Return True if all letters are Latin."""
        return detect_language(text) == LATIN_LANGUAGE

    def speak(self, text: str, voice: str) -> SpokenSound:
        """Speak a text; letters of other scripts are spelt by their names, or left out."""
        ascii_text = romanise(text)
        if not any(map(str.isalnum, ascii_text)):
            return SILENCE, SAMPLE_RATE
        return _run_synthesiser(["flite", "-voice", voice, "-f", TEXT, "-o", SPEECH], ascii_text)


class Espeak:
    """eSpeak NG (GPL) by the package `espeakng-loader`: a hundred languages, like a robot."""

    voices = ("", "+f3")

    def __init__(self) -> None:
        self.model = f"espeak-ng (espeakng-loader {version('espeakng-loader')})"

    def can_read(self, _: str) -> bool:
        """Return True: it reads every script."""
        return True

    def speak(self, text: str, voice: str) -> SpokenSound:
        """Speak a text; each script is read in one of its languages."""
        program = Path(__file__).with_name("espeak.py")
        name = detect_language(text) + voice
        return _run_synthesiser([sys.executable, "-P", program, name, TEXT, SPEECH], text)


Synthesiser = Flite | Espeak
"""Speaks short texts in ``voices`` of a low and a high pitch; the first is the stock voice."""


def list_installed() -> list[Synthesiser]:
    """Return the installed synthesisers, best first; raise ``EngineError`` if there is none."""
    synthesisers: list[Synthesiser] = []
    if shutil.which("flite"):
        synthesisers.append(Flite())
    if importlib.util.find_spec("espeakng_loader"):
        synthesisers.append(Espeak())
    if not synthesisers:
        raise EngineError(ErrorCode.MODEL_ERROR, MISSING)
    return synthesisers


def detect_language(text: str) -> str:
    """Return the language in which to read most of the letters, as eSpeak names it."""
    scripts = Counter(
        SCRIPTS.get(unicodedata.name(character, "").partition(" ")[0], LATIN_LANGUAGE)
        for character in text
        if character.isalpha()
    )
    if "ja" in scripts:
        return "ja"  # only Japanese has kana; its other characters are shared
    return scripts.most_common(1)[0][0] if scripts else LATIN_LANGUAGE


def _run_synthesiser(command: Sequence[str | Path], text: str) -> SpokenSound:
    """Run a program that reads the file `TEXT` in its folder and writes the file `SPEECH`."""
    with tempfile.TemporaryDirectory(prefix="auteur-tts-") as folder:
        Path(folder, TEXT).write_text(text, encoding="utf-8")
        subprocess.run(
            command, check=True, capture_output=True, timeout=TIMEOUT_SECONDS, cwd=folder
        )
        with wave.open(f"{folder}/{SPEECH}") as file:
            samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")
            return convert_pcm(samples), file.getframerate()
