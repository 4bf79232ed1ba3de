"""OpenTimelineIO's own sample files, and what an import makes of them.

Most lie in `samples` as they are (NOTICE). The large ones, and those of Final Cut Pro X, are
rebuilt here with the elements that decide. The last table of docs/interchange.md has the same rows.
"""

from dataclasses import dataclass
from pathlib import Path

from opentimelineio import schema

from tests.projects.interchange.elements import otio, xmeml

FOLDER = Path(__file__).parent / "samples"
FORMS = {"otio": "otio", "json": "otio", "edl": "cmx3600", "xml": "fcp_xml", "fcpxml": "fcp_xml"}


@dataclass(frozen=True)
class Sample:
    """One file; ``fate`` is ``read``, or the codes of its refusal."""

    name: str
    fate: str
    why: str
    plays: tuple[str, ...] = ()
    says: str = ""
    """What the answer says of a file that cannot be read."""
    rate: float = 24
    """The project's."""

    def __str__(self) -> str:
        return self.name

    @property
    def form(self) -> str:
        return FORMS[self.name.rpartition(".")[2]]

    @property
    def text(self) -> str:
        return REBUILT.get(self.name) or (FOLDER / self.name).read_text()


MARKED = {"markers": [schema.Marker(name="m")]}
GENERATED = otio.played(media_reference=schema.GeneratorReference())
SLUG = xmeml.clip().replace("</file>", "<mediaSource>Slug</mediaSource></file>")
NESTED = xmeml.clip(more="<sequence><media/></sequence>")
MOVED = xmeml.filtered("basic", ("scale", "50"))
FCP_X = "<?xml version='1.0'?><!DOCTYPE fcpxml><fcpxml version='1.8'><resources/></fcpxml>"
FREEZE = """\
001  Z682_156 V     C        01:00:10:21 01:00:10:22 01:08:30:00 01:08:30:17
M2   Z682_156       000.0                01:00:10:21
* FROM CLIP NAME:  Z682_156 (LAY3) FF
* * FREEZE FRAME
"""
REBUILT = {
    "effects.otio": otio.otio(otio.played(effects=[schema.Effect(effect_name="Resolve Effect")])),
    # A marker of a schema that is newer than the library's.
    "premiere_example.otio": otio.otio(otio.played(**MARKED), schema.Stack(), GENERATED).replace(
        "Marker.2", "Marker.3"
    ),
    "screening_example.otio": otio.otio(
        otio.played(**MARKED), source_range=otio.span(-86243, 1049)
    ).replace("Marker.2", "Marker.3"),
    "speed_effects.edl": FREEZE,
    "empty_name_tags.xml": xmeml.xml(SLUG, NESTED, MOVED).replace("<name>x</name>", "<name/>"),
    "premiere_example.xml": xmeml.xml(SLUG, NESTED),
    "premiere_generators.xml": xmeml.xml(SLUG, MOVED, "<generatoritem/>"),
    **{
        f"fcpx_{name}.fcpxml": FCP_X for name in ("clips", "event", "example", "library", "project")
    },
}

SAMPLES = [
    Sample(
        "clip_example.otio",
        "read",
        "A gap, a clip and a dissolve to a gap, which is a fade.",
        plays=("video Clip-001 333-500 @125 out 125",),
    ),
    Sample(
        "enabled.otio",
        "read",
        "Clips on two tracks.",
        plays=(
            "video Clip-001 0-125 @0",
            "video Clip-002 125-250 @125",
            "video Clip-003 125-250 @125",
        ),
    ),
    Sample(
        "multiple_track.otio",
        "read",
        "Three tracks.",
        plays=(
            "video titles.mov 0-125 @125",
            "video wind-up.mov 125-375 @83",
            "video credits.mov 542-792 @0",
            "video punchline.mov 292-667 @0",
            "video punchline.mov 292-667 @0",
        ),
    ),
    Sample(
        "multitrack.otio",
        "read",
        "Three tracks.",
        plays=(
            "video tech.fux (loop)-HD.mp4 0-30000 @0",
            "video out-b (loop)-HD.mp4 33458-63542 @0",
            "video brokchrd (loop)-HD.mp4 81542-111542 @0",
            "video t-hawk (loop)-HD.mp4 20083-40083 @0",
            "video KOLL-HD.mp4 49917-76583 @0",
        ),
    ),
    Sample(
        "preflattened.otio",
        "read",
        "Cuts and gaps.",
        plays=(
            "video tech.fux (loop)-HD.mp4 0-20083 @0",
            "video t-hawk (loop)-HD.mp4 20083-40083 @0",
            "video out-b (loop)-HD.mp4 40083-49917 @6625",
            "video KOLL-HD.mp4 49917-76583 @0",
            "video brokchrd (loop)-HD.mp4 81542-111542 @0",
        ),
    ),
    Sample(
        "simple_cut.otio",
        "read",
        "Cuts.",
        plays=(
            "video titles.mov 0-125 @125",
            "video wind-up.mov 125-375 @83",
            "video punchline.mov 375-542 @0",
            "video credits.mov 542-792 @0",
        ),
    ),
    Sample(
        "transition.otio",
        "read",
        "A dissolve.",
        plays=(
            "video titles.mov 0-125 @125",
            "video wind-up.mov 125-500 @83",
            "video punchline.mov 292-542 @0 cross 208",
            "video credits.mov 542-792 @0",
        ),
    ),
    Sample(
        "25fps.edl",
        "read",
        "Cuts. The project has 25 frames a second.",
        plays=(
            "video sq001_s001 0-6440 @3600000",
            "video sq001_s002 6440-14440 @3600000",
            "video sq001_s003 14440-17880 @3600000",
            "video sq001_s004 17880-19840 @3600000",
        ),
        rate=25,
    ),
    Sample(
        "avid_example.edl",
        "read",
        "Windows paths, a leader before the hour.",
        plays=(
            "video ZZ100_501.take_1.0001.exr 0-1292 @3604208",
            "video ZZ100_502A.take_2.0101.exr 1292-3375 @3606542",
        ),
    ),
    Sample(
        "dissolve_test.edl",
        "read",
        "A dissolve.",
        plays=(
            "video clip_A 0-792 @3604208",
            "video clip_B 375-792 @3608333 cross 417",
            "video clip_B 792-833 @3608750",
        ),
    ),
    Sample(
        "dissolve_test_2.edl",
        "read",
        "A dissolve.",
        plays=(
            "video clip_A 0-625 @3604208",
            "video clip_B 208-625 @3608167 cross 417",
            "video clip_B 625-833 @3608583",
        ),
    ),
    Sample(
        "dissolve_test_3.edl",
        "read",
        "A dissolve from a clip that has no other event.",
        plays=(
            "video Clip_A.mov 0-2542 @3603958",
            "video Clip_B.mov 2542-3792 @3606000",
            "video Clip_C.mov 2542-3792 @3633917 cross 1250",
            "video Clip_D.mov 3792-5708 @3600000",
        ),
    ),
    Sample(
        "dissolve_test_4.edl",
        "read",
        "Dissolves. The list begins four minutes after the hour, and so does the film.",
        plays=(
            "video ABC0000. 251708-252958 @3606750",
            "video ABC0010. 252958-255083 @3606625",
            "video ABC0020. 255083-256542 @3608750",
            "video ABC0020. 255083-258458 @3606917 cross 1459",
            "video ABC0030. 258458-261125 @3610292",
            "video ABC0030. 258458-261958 @3606417 cross 2667",
            "video ABC0040. 261958-265958 @3608583",
            "video ABC0050. 265958-271583 @3612250",
        ),
    ),
    Sample(
        "gap_test.edl",
        "read",
        "Gaps.",
        plays=(
            "video shot1 0-1000 @600000",
            "video shot2 1667-2667 @82800000",
            "video shot3 4250-5250 @36000000",
        ),
    ),
    Sample(
        "multi_audio.edl",
        "read",
        "Three channels of one file are one clip.",
        plays=("audio AX 0-3415917 @0",),
    ),
    Sample(
        "no_spaces_test.edl",
        "read",
        "Notes without spaces, a leader before the hour.",
        plays=(
            "video ZZ100_501.LAY3.01 0-1292 @3604208",
            "video ZZ100_502A.LAY3.02 1292-3375 @3606542",
            "video ZZ100_503A.LAY1.01 3375-4542 @3608375",
            "video ZZ100_504C.LAY1.02 4542-9333 @3610042",
            "video ZZ100_504B.LAY1.02 9333-13542 @3614708",
            "video ZZ100_507C.LAY2.01 13542-20250 @3604208",
            "video ZZ100_508.LAY2.02 20250-27333 @3609500",
            "video ZZ100_510.LAY1.02 27333-33000 @3613417",
            "video ZZ100_510B.LAY1.02 33000-43708 @3604208",
        ),
    ),
    Sample(
        "nucoda_example.edl",
        "read",
        "Windows paths, a leader before the hour.",
        plays=(
            "video ZZ100_501.take_1.0001.exr 0-1292 @3604208",
            "video ZZ100_502A.take_2.0101.exr 1292-3375 @3606542",
        ),
    ),
    Sample(
        "premiere_example.edl",
        "read",
        "Windows paths, a leader before the hour. The project has 30 frames a second.",
        plays=(
            "video ZZ100_501.take_1.0001.exr 0-1233 @3604167",
            "video ZZ100_502A.take_2.0101.exr 1233-3300 @3606433",
        ),
        rate=30,
    ),
    Sample(
        "screening_example.edl",
        "read",
        "Cuts, markers, a leader before the hour.",
        plays=(
            "video ZZ100_501.LAY3.01 0-1292 @3604208",
            "video ZZ100_502A.LAY3.02 1292-3375 @3606542",
            "video ZZ100_503A.LAY1.01 3375-4542 @3608375",
            "video ZZ100_504C.LAY1.02 4542-9333 @3610042",
            "video ZZ100_504B.LAY1.02 9333-13542 @3614708",
            "video ZZ100_507C.LAY2.01 13542-20250 @3604208",
            "video ZZ100_508.LAY2.02 20250-27333 @3609500",
            "video ZZ100_510.LAY1.02 27333-33000 @3613417",
            "video ZZ100_510B.LAY1.02 33000-43708 @3604208",
        ),
    ),
    Sample(
        "transition_duration.edl",
        "read",
        "A dissolve.",
        plays=(
            "video ABC0100. 48833-53250 @3612625",
            "video ABC0200. 53250-57417 @3611292",
            "video ABC0300. 56333-59375 @3610333 cross 1084",
            "video ABC0400. 59375-65833 @3611375",
        ),
    ),
    Sample(
        "premiere_enable_property.xml",
        "read",
        "Clips and tracks that are not enabled are deleted clips.",
        plays=(
            "video source.mp4 0-3240 @0",
            "video source.mp4 3240-7080 @0 off",
            "video source3.mp4 7080-8800 @0",
            "video source4.mp4 8800-10240 @0 off",
            "video source.mp4 3240-7080 @0",
            "video source.mp4 3240-7080 @0 off",
            "audio source.mp4 0-3240 @0",
            "audio source.mp4 3240-7080 @0",
            "audio source3.mp4 7080-8800 @0 off",
            "audio source4.mp4 8800-10240 @0",
            "audio source.mp4 3240-7080 @0",
        ),
    ),
    Sample("sample_just_track.xml", "read", "The sequence has no tracks: the film is empty."),
    Sample("big_int.otio", "unreadable_file", "`Inf` is no JSON.", says="is not JSON"),
    Sample("effects.otio", "effect", "Effects of DaVinci Resolve."),
    Sample("generator_reference_test.otio", "generator", "A generated clip."),
    Sample("img_seq_media_reference.otio", "image_sequence", "A series of pictures."),
    Sample("nested_example.otio", "nested", "Stacks within a track."),
    Sample("premiere_example.otio", "generator, nested", "A title, and sequences within a track."),
    Sample(
        "screening_example.otio",
        "trim",
        "The source range of the track ends before its first clip.",
    ),
    Sample(
        "transition_test.otio",
        "transition",
        "Dissolves reach beyond the beginning and the end of the track.",
    ),
    Sample("cdl.edl", "grade", "Colour decisions."),
    Sample("dissolve_test_fail.edl", "dissolve", "The dissolve has no line of what it comes from."),
    Sample("speed_effects.edl", "freeze, speed", "Freeze frames."),
    Sample("speed_effects_small.edl", "freeze, speed", "Freeze frames."),
    Sample(
        "timecode_mismatch.edl",
        "speed",
        "Times in the source are longer than on the timeline.",
        rate=25,
    ),
    Sample("wipe_test.edl", "wipe", "A wipe."),
    Sample(
        "empty_name_tags.xml",
        "effect, generator, nested",
        "Titles, nested sequences, scaled pictures.",
    ),
    Sample("hiero_xml_export.xml", "speed", "A clip at another speed."),
    Sample("premiere_example.xml", "generator, nested", "A title, and nested sequences."),
    Sample(
        "premiere_generators.xml", "effect, generator", "Generators, and pictures that are moved."
    ),
    Sample(
        "premiere_example_filter.json",
        "unreadable_file",
        "A part of a file, and no timeline.",
        says="must contain exactly one timeline",
    ),
    Sample(
        "premiere_example_filter.xml",
        "unreadable_file",
        "A part of a file, and no sequence.",
        says="root element is not `xmeml`",
    ),
    Sample(
        "fcpx_clips.fcpxml",
        "unreadable_file",
        "Final Cut Pro X: convert it to xmeml or to OpenTimelineIO.",
        says="Convert the file to FCP XML",
    ),
    Sample(
        "fcpx_event.fcpxml",
        "unreadable_file",
        "Final Cut Pro X: convert it to xmeml or to OpenTimelineIO.",
        says="Convert the file to FCP XML",
    ),
    Sample(
        "fcpx_example.fcpxml",
        "unreadable_file",
        "Final Cut Pro X: convert it to xmeml or to OpenTimelineIO.",
        says="Convert the file to FCP XML",
    ),
    Sample(
        "fcpx_library.fcpxml",
        "unreadable_file",
        "Final Cut Pro X: convert it to xmeml or to OpenTimelineIO.",
        says="Convert the file to FCP XML",
    ),
    Sample(
        "fcpx_project.fcpxml",
        "unreadable_file",
        "Final Cut Pro X: convert it to xmeml or to OpenTimelineIO.",
        says="Convert the file to FCP XML",
    ),
]
