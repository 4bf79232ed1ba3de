"""eSpeak NG in a process of its own: ``python -m gpu_tasks.tts.espeak VOICE FILE``, text on stdin.

The library comes with the package `espeakng-loader`. It is licensed under the GPL, so it is loaded
here and nowhere else, by the draft engine, where no other synthesiser is installed; apart, so that
a crash of it ends one call.
"""

import ctypes
import sys
import wave

import espeakng_loader

# The library's speak_lib.h.
SYNCHRONOUS = 2
DO_NOT_EXIT = 0x8000
UTF8 = 1
CHARACTERS = 1
OK = 0

Callback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p
)


def speak(text: str, voice: str) -> tuple[bytes, int]:
    """Samples (16 bits, mono) and their rate; raises ``RuntimeError`` where the library fails."""
    library = ctypes.CDLL(espeakng_loader.get_library_path())
    rate = library.espeak_Initialize(
        SYNCHRONOUS, 0, espeakng_loader.get_data_path().encode(), DO_NOT_EXIT
    )
    spoken = bytearray()

    @Callback
    def keep(samples: "ctypes._Pointer[ctypes.c_short]", count: int, _events: object) -> int:
        if samples and count > 0:
            spoken.extend(ctypes.string_at(samples, count * 2))
        return 0

    library.espeak_SetSynthCallback(keep)
    content = text.encode()
    asked = (content, len(content) + 1, 0, CHARACTERS, 0, UTF8, None, None)
    if (
        rate <= 0
        or library.espeak_SetVoiceByName(voice.encode()) != OK
        or library.espeak_Synth(*asked) != OK
    ):
        raise RuntimeError(f"eSpeak NG cannot speak as {voice}")
    return bytes(spoken), rate


def main(voice: str, path: str) -> None:
    """Write a WAV file of what stdin says."""
    samples, rate = speak(sys.stdin.buffer.read().decode(), voice)
    with wave.open(path, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples)


if __name__ == "__main__":
    main(*sys.argv[1:])
