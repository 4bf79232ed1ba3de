"""Elements of FCP XML."""

from collections.abc import Iterator

from tests.projects.interchange.elements.row import PLAIN, RATE, Element


def clip(
    name: str = "a.mov",
    at: tuple[int, int] = (0, 50),
    inside: int = 25,
    more: str = "",
    length: int | None = None,
) -> str:
    """A clip item; a time of -1 is told by the transition beside it."""
    out = inside + (at[1] - at[0] if length is None else length)
    times = f"<start>{at[0]}</start><end>{at[1]}</end><in>{inside}</in><out>{out}</out>"
    file = f"<file id='{name}'><name>{name}</name></file>"
    return f"<clipitem><name>{name}</name>{times}{file}{more}</clipitem>"


def transition(
    start: int, end: int, *, effect: str = "Cross Dissolve", align: str = "center", more: str = ""
) -> str:
    """A transition item."""
    output = f"<effect><name>{effect}</name><effectid>{effect}</effectid>{more}</effect>"
    times = f"<start>{start}</start><end>{end}</end><alignment>{align}</alignment>"
    return f"<transitionitem>{times}{output}</transitionitem>"


def xml(*clips: str, audio: str = "", more: str = "", track: str = "", rate: int = RATE) -> str:
    """A sequence of one track of video."""
    output = f"<rate><timebase>{rate}</timebase><ntsc>FALSE</ntsc></rate>"
    video = f"<video><track>{''.join(clips)}{track}</track></video>"
    media = f"<media>{video}{audio}</media>"
    return f"<xmeml version='5'><sequence><name>x</name>{output}{media}{more}</sequence></xmeml>"


def filtered(kind: str, *parameters: tuple[str, str], more: str = "") -> str:
    """A clip with a filter."""
    output = "".join(
        f"<parameter><parameterid>{key}</parameterid><value>{value}</value></parameter>"
        for key, value in parameters
    )
    effect = f"<effect><name>{kind}</name><effectid>{kind}</effectid>{output}</effect>"
    return clip(more=f"<filter>{more}{effect}</filter>")


PAIR = (clip(at=(0, -1), length=60), transition(50, 60), clip("b.mov", (-1, 80), 100, length=30))
FILE = "<file id='a.mov'><name>a.mov</name></file>"
TOLD = clip().replace("id='a.mov'", "id='f'")
CROSSED = ("video a.mov 0-2400 @1000", "video b.mov 2000-3200 @4000 cross 400")


def channel(index: int) -> str:
    return clip(more=f"<sourcetrack><trackindex>{index}</trackindex></sourcetrack>")


# fmt: off
def rows() -> Iterator[Element]:
    """The elements of a sequence."""

    def row(name: str, fate: str, text: str, *plays: str) -> Element:
        return Element("fcp_xml", name, fate, text, plays or tuple(PLAIN))

    def in_clip(name: str, fate: str, more: str) -> Element:
        return row(name, fate, xml(clip(more=more)))

    master = "<clip><name>m</name><media/></clip>"
    yield row("`project`, `bin`, `clip` outside the sequence", "left out",
              xml(clip()).replace("<sequence>", master + "<sequence>", 1))
    yield row("`sequence`: `name`, `rate`, `media`", "read", xml(clip()))
    yield row("`sequence`: `duration`, `timecode`, `in`, `out`, `uuid`, `updatebehavior`",
              "left out", xml(clip(), more="<in>5</in><out>9</out><uuid>u</uuid>"))
    yield row("`video`, `audio`: `format`, `outputs`, `channelcount`", "left out",
              xml(clip()).replace("<video>", "<video><format><x/></format>"))
    group = "<outputs><group><downmix>-3</downmix></group></outputs>"
    yield row("`outputs`: `downmix` but 0", "level", xml(clip(), audio=f"<audio>{group}</audio>"))
    yield row("`track`", "read", xml(clip()))
    yield row("`track`: `enabled` FALSE: clips are deleted ones", "read",
              xml(clip(), track="<enabled>FALSE</enabled>"),
              "video a.mov 0-2000 @1000 off")
    yield row("`track`: `locked`, `outputchannelindex`", "left out",
              xml(clip(), track="<locked>TRUE</locked>"))
    yield row("`clipitem`: `start`, `end`, `in`, `out`, `rate`", "read",
              xml(clip(more="<rate><timebase>50</timebase></rate>", inside=50, length=100)))
    yield row("times with a fraction of zero (`1055.0`)", "read",
              xml(clip().replace("</out>", ".0</out>")))
    yield row("times of the source that are longer or shorter", "speed",
              xml(clip(length=100)))
    yield row("`clipitem`: `enabled` FALSE: a deleted clip", "read",
              xml(clip(more="<enabled>FALSE</enabled>")), "video a.mov 0-2000 @1000 off")
    yield row("`file`: `name`, `pathurl`, told before or behind", "read",
              xml(clip().replace(FILE, "<file id='f'/>"),
                  audio=f"<audio><track>{TOLD}</track></audio>"),
              "video a.mov 0-2000 @1000", "audio a.mov 0-2000 @1000")
    yield row("`file`: `duration`, `rate`, `timecode`, `media`", "left out",
              xml(clip().replace("</file>", "<duration>9</duration><media/></file>")))
    yield row("`file`: `mediaSource` (slugs and other generators)", "generator",
              xml(clip().replace("</file>", "<mediaSource>Slug</mediaSource></file>")))
    yield row("`clipitem`: `sourcetrack`: channels of one file at once are one clip", "read",
              xml(clip(), audio=f"<audio><track>{channel(1)}</track><track>{channel(2)}</track>"
                                "</audio>"),
              "video a.mov 0-2000 @1000", "audio a.mov 0-2000 @1000")
    yield in_clip("`clipitem`: `link`, `marker`, `labels`, `comments`, `logginginfo`, "
                  "`masterclipid`, `pproTicksIn`, `anamorphic`, `fielddominance`", "left out",
                  "<link/><marker/><labels/><comments/><pproTicksIn>7</pproTicksIn>")
    yield in_clip("`clipitem`: `stillframe` FALSE, `compositemode` normal, `alphatype` none or "
                  "straight", "left out", "<stillframe>FALSE</stillframe>"
                  "<compositemode>normal</compositemode><alphatype>none</alphatype>")
    yield in_clip("`clipitem`: `stillframe`", "freeze", "<stillframe>TRUE</stillframe>")
    yield in_clip("`clipitem`: `compositemode`", "composite",
                  "<compositemode>screen</compositemode>")
    yield in_clip("`clipitem`: `alphatype` black or white", "alpha", "<alphatype>black</alphatype>")
    yield in_clip("`clipitem`: `alphareverse`", "alpha", "<alphareverse>TRUE</alphareverse>")
    yield in_clip("`clipitem`: `subclipinfo`", "subclip", "<subclipinfo/>")
    yield in_clip("`clipitem`: `mediadelay` but 0", "delay", "<mediadelay>5</mediadelay>")
    yield in_clip("`clipitem`: `sequence` (nested)", "nested", "<sequence><media/></sequence>")
    yield in_clip("`clipitem`: `multiclip`", "nested", "<multiclip/>")
    yield in_clip("elements of other names", "element", "<behaviour/>")
    yield row("`generatoritem`", "generator", xml(clip(), "<generatoritem/>"))
    yield row("`transitionitem`: Cross Dissolve", "read", xml(*PAIR), *CROSSED)
    yield row("`transitionitem` of audio: Cross Fade (+3dB)", "read",
              xml(audio=f"<audio><track>{PAIR[0]}{transition(50, 60, effect='Cross Fade (+3dB)')}"
                        f"{PAIR[2]}</track></audio>"),
              *(item.replace("video", "audio") for item in CROSSED))
    yield row("`transitionitem`: of one clip alone, a fade", "read",
              xml(transition(0, 10, align="start-black"), clip(at=(-1, -1), length=50),
                  transition(40, 50, align="end-black")),
              "video a.mov 0-2000 @1000 in 400 out 400")
    yield row("`transitionitem`: of any other effect", "transition",
              xml(PAIR[0], transition(50, 60, effect="Wipe"), PAIR[2]))
    yield row("`transitionitem`: `reverse`, `startratio`, `endratio`", "transition",
              xml(PAIR[0], transition(50, 60, more="<reverse>TRUE</reverse>"), PAIR[2]))
    yield row("`transitionitem`: without an effect", "transition",
              xml(PAIR[0], transition(50, 60).replace("effect", "name"), PAIR[2]))
    yield row("`transitionitem`: where its clips do not overlap", "transition",
              xml(clip(), transition(50, 60), clip("b.mov", (50, 80))))
    yield row("`transitionitem`: with a clip of `enabled` FALSE", "transition",
              xml(PAIR[0], PAIR[1], PAIR[2].replace("<file", "<enabled>FALSE</enabled><file")))
    yield row("`filter` of `enabled` FALSE", "left out",
              xml(filtered("blur", more="<enabled>FALSE</enabled>")))
    yield row("`filter`: Time Remap", "speed", xml(filtered("timeremap", ("speed", "50"))))
    yield row("`filter`: Time Remap at 100 %", "left out",
              xml(filtered("timeremap", ("speed", "100"), ("reverse", "FALSE"))))
    yield row("`filter`: Basic Motion, Crop", "effect", xml(filtered("basic", ("scale", "50"))))
    yield row("`filter`: Opacity", "effect", xml(filtered("opacity", ("opacity", "50"))))
    yield row("`filter`: Audio Levels, Audio Pan", "effect",
              xml(filtered("audiolevels", ("level", "0.5"))))
    yield row("`filter`: these at the values at which they do nothing", "left out",
              xml(filtered("basic", ("scale", "100"), ("center", "<horiz>0</horiz>"))))
    key = "<value>100</value><keyframe><when>0</when></keyframe>"
    yield row("`filter`: these with `keyframe`", "effect",
              xml(filtered("opacity", ("opacity", "")).replace("<value></value>", key)))
    yield row("`filter`: any other", "effect", xml(filtered("blur")))
# fmt: on
