"""Encoders: presets by length, and hardware only where it works."""

import pytest

from gpu_tasks.compression.contract import CONTRACT, Codec
from gpu_tasks.compression.encoders import (
    BUDGET_SECONDS,
    HARDWARE,
    PRESETS,
    Encoder,
    can_encode,
    choose_preset,
    find_hardware_encoder,
    find_software_encoder,
    get_fastest_preset,
)
from gpu_tasks.mediakit import ffmpeg


@pytest.mark.parametrize("codec", Codec)
def test_longer_films_get_faster_presets_down_to_the_fastest(codec: Codec):
    speeds = [preset.megapixels for preset in PRESETS[codec]]
    assert speeds == sorted(speeds)
    for preset, following in zip(PRESETS[codec], PRESETS[codec][1:], strict=False):
        maximum = preset.megapixels * 1e6 * CONTRACT.cpu * BUDGET_SECONDS
        assert choose_preset(codec, maximum) == preset.name
        assert choose_preset(codec, maximum + 1) == following.name
    assert choose_preset(codec, 1e15) == get_fastest_preset(codec) == PRESETS[codec][-1].name


@pytest.mark.parametrize(
    ("codec", "preset"),
    [
        (codec, item.name)
        for codec, presets in PRESETS.items()
        for item in (presets[0], presets[-1])
    ],
)
def test_software_works_everywhere(codec: Codec, preset: str):
    assert can_encode(find_software_encoder(codec, preset))


@pytest.mark.parametrize("codec", Codec)
def test_hardware_is_told_what_its_encoder_understands(codec: Codec):
    of_all = {"-c:v", "-b:v", "-q:v", "-global_quality"}
    for encoder in HARDWARE[codec]:
        with ffmpeg.read_output(["-h", f"encoder={encoder.name}"]) as output:
            current = set(output.read().decode().split())
        if "Encoder" not in current:
            continue  # not compiled in
        reports = {item for item in encoder.arguments(25) if item.startswith("-")}
        assert reports - of_all <= current


@pytest.mark.parametrize(("quality", "percent"), [(18, "75"), (28, "55"), (63, "1"), (0, "100")])
def test_a_quality_in_percent_grows_as_the_number_falls(quality: int, percent: str):
    assert Encoder("any", ("-q:v", "{percent}")).arguments(quality)[-1] == percent


def test_what_ffmpeg_does_not_know_does_not_work():
    assert not can_encode(Encoder("h264_none", ()))


@pytest.mark.parametrize("codec", Codec)
def test_hardware_that_is_chosen_works(codec: Codec):
    chosen = find_hardware_encoder(codec)
    assert chosen in (None, *HARDWARE[codec])
    assert chosen is None or can_encode(chosen)
