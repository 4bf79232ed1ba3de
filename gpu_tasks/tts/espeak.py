"""Run eSpeak NG in a process of its own: ``python espeak.py VOICE TEXT_FILE WAV_FILE``.

The library comes with the package `espeakng-loader`. It is licensed under the GPL, so only this
module loads it, for the draft engine, if no other synthesiser is installed. It runs in its own
process, so that a crash ends one call only.
"""

import ctypes
import sys
import wave
from pathlib import Path

import espeakng_loader

# Constants of the library's speak_lib.h.
SYNCHRONOUS = 2
DO_NOT_EXIT = 0x8000
UTF8 = 1
CHARACTERS = 1

Callback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p
)


def main(voice: str, text: str, speech: str) -> None:
    """Write the speech of a text file as WAV; raise ``RuntimeError`` if the library fails."""
    library = ctypes.CDLL(espeakng_loader.get_library_path())
    data = espeakng_loader.get_data_path().encode()
    rate = library.espeak_Initialize(SYNCHRONOUS, 0, data, DO_NOT_EXIT)
    with wave.open(speech, "wb") as file:

        @Callback
        def write(samples: "ctypes._Pointer[ctypes.c_short]", count: int, _: object) -> int:
            if samples and count > 0:
                file.writeframes(ctypes.string_at(samples, count * 2))
            return 0

        file.setparams((1, 2, max(rate, 1), 0, "NONE", ""))
        library.espeak_SetSynthCallback(write)
        content = Path(text).read_bytes()
        arguments = (content, len(content) + 1, 0, CHARACTERS, 0, UTF8, None, None)
        has_failed = rate <= 0 or library.espeak_SetVoiceByName(voice.encode())
        if has_failed or library.espeak_Synth(*arguments):
            raise RuntimeError(f"eSpeak NG cannot speak as {voice}")


if __name__ == "__main__":
    main(*sys.argv[1:])
