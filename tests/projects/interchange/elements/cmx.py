"""Elements of an edit list."""

from collections.abc import Iterator

from tests.projects.interchange.elements.row import PLAIN, RATE, Element


def tc(frame: int, sign: str = ":") -> str:
    """A timecode of 25 frames a second."""
    seconds, frames = divmod(frame, RATE)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}{sign}{frames:02}"


def line(
    number: int, reel: str, kind: str, source: int, begin: int, end: int, ch: str = "V"
) -> str:
    """A line of an event, as long in the source as on the timeline."""
    times = (source, source + end - begin, begin, end)
    return f"{number:03}  {reel:8} {ch:5} {kind:8} {' '.join(map(tc, times))}\n"


A = line(1, "AX", "C", 25, 0, 50)
NAMED = "* FROM CLIP NAME: a.mov\n"
BOTH = NAMED + "* TO CLIP NAME: b.mov\n"
DISSOLVE = A + NAMED + line(2, "AX", "C", 75, 50, 50) + line(2, "BX", "D 010", 100, 50, 80) + BOTH


def sped(length: int, source: int, m2: str) -> str:
    times = f"{tc(25)} {tc(25 + source)} {tc(0)} {tc(length)}"
    return f"001  AX       V     C        {times}\n{NAMED}M2   AX       {m2}       {tc(25)}\n"


# fmt: off
def rows() -> Iterator[Element]:
    """The elements of an edit list."""

    def row(name: str, fate: str, text: str, *plays: str, rate: float = RATE) -> Element:
        return Element("cmx3600", name, fate, text, plays or tuple(PLAIN), rate)

    yield row("`TITLE`", "left out", "TITLE: x\n" + A + NAMED)
    yield row("`FCM: NON-DROP FRAME`", "read", "FCM: NON-DROP FRAME\n" + A + NAMED)
    drop = "001 AX V C 00:01:00;02 00:01:01;02 01:00:00;00 01:00:01;00\n" + NAMED
    yield row("`FCM: DROP FRAME`, or `;` in timecodes, at 29.97 or 59.94", "read",
              "FCM: DROP FRAME\n" + drop, "video a.mov 0-1001 @60060", rate=29.97)
    yield row("`FCM: DROP FRAME`, or `;`, at other rates", "frame_rate",
              "FCM: DROP FRAME\n" + A + NAMED)
    yield row("`FCM` that changes", "fcm",
              "FCM: DROP FRAME\nFCM: NON-DROP FRAME\n" + A + NAMED, rate=29.97)
    yield row("any list in a project without timecode (15 frames a second)", "frame_rate",
              A + NAMED, rate=15)
    yield row("event `C`", "read", A + NAMED)
    yield row("events in any order", "read",
              line(2, "AX", "C", 0, 50, 75) + NAMED + A + NAMED,
              "video a.mov 0-2000 @1000", "video a.mov 2000-3000 @0")
    yield row("whole hours at which the list begins", "read",
              line(1, "AX", "C", 25, 90_000, 90_050) + NAMED)
    yield row("a leader, in the last two minutes of an hour, at which the list begins", "read",
              line(1, "AX", "C", 25, 89_900, 89_950) + NAMED)
    yield row("events that overlap", "overlap", A + NAMED + line(2, "AX", "C", 0, 49, 60))
    yield row("event `D` (dissolve) with the line of what it comes from", "read", DISSOLVE,
              "video a.mov 0-2400 @1000", "video b.mov 2000-3200 @4000 cross 400")
    yield row("event `D` from a clip that has no other event", "read",
              line(1, "AX", "C", 25, 0, 0) + line(1, "BX", "D 010", 100, 0, 30) + BOTH,
              "video a.mov 0-400 @1000", "video b.mov 0-1200 @4000 cross 400")
    yield row("event `D` from `BL`", "read",
              line(1, "BL", "C", 0, 0, 0) + line(1, "AX", "D 010", 25, 0, 50)
              + "* TO CLIP NAME: a.mov\n", "video a.mov 0-2000 @1000 in 400")
    yield row("event `D` to `BL`", "read",
              line(1, "AX", "C", 25, 0, 40) + NAMED
              + line(2, "AX", "C", 65, 40, 40) + line(2, "BL", "D 010", 0, 40, 50),
              "video a.mov 0-2000 @1000 out 400")
    yield row("event `D` alone", "dissolve", A + NAMED + line(2, "BX", "D 010", 0, 50, 80))
    yield row("event `D` that is longer than its clip", "dissolve",
              DISSOLVE.replace("D 010", "D 031"))
    yield row("event `W###` (wipe)", "wipe", DISSOLVE.replace("D 010", "W001 010"))
    yield row("event `W###` alone", "wipe", A.replace(" C ", " W001 010 "))
    yield row("events `K`, `K B`, `K O` (keys)", "key", A.replace(" C ", " K B 000 ") + NAMED)
    yield row("reel `BL`", "read", A + NAMED + line(2, "BL", "C", 0, 50, 60))
    yield row("reel `BARS`", "generator", line(1, "BARS", "C", 0, 0, 50))
    yield row("channel `V`", "read", A + NAMED)
    yield row("channels `A`, `A1` to `A4`", "read", line(1, "AX", "C", 25, 0, 50, "A2") + NAMED,
              "audio a.mov 0-2000 @1000")
    yield row("channels `AA`, or several of one file at once: one clip", "read",
              line(1, "AX", "C", 25, 0, 50, "AA") + NAMED, "audio a.mov 0-2000 @1000")
    yield row("channels `B`, `A2/V`, `AA/V`", "read", line(1, "AX", "C", 25, 0, 50, "AA/V") + NAMED,
              "video a.mov 0-2000 @1000", "audio a.mov 0-2000 @1000")
    yield row("channel `NONE` with `AUD 3 4`", "read",
              line(1, "AX", "C", 25, 0, 50, "NONE") + "AUD  3  4\n" + NAMED,
              "audio a.mov 0-2000 @1000")
    yield row("other channels", "channel", A.replace(" V ", " V2 ") + NAMED)
    yield row("`SPLIT`", "left out",
              "SPLIT:    AUDIO DELAY=  00:00:00:05\n" + A + NAMED)
    yield row("`M2` at a speed from 0.1 to 10", "read", sped(50, 100, "050.0"),
              "video a.mov 0-2000 @1000 x2.0")
    yield row("`M2` at 0 (freeze)", "speed", sped(50, 0, "000.0"))
    yield row("`M2` below 0 (reverse)", "speed", sped(50, 50, "-025.0"))
    yield row("`M2` that its times do not follow", "speed", sped(50, 50, "050.0"))
    yield row("`M2` beside a dissolve", "speed", DISSOLVE + f"M2 BX 050.0 {tc(100)}\n")
    yield row("times of the source that are longer or shorter, without `M2`", "speed",
              sped(50, 60, "").partition("M2")[0])
    yield row("`* FREEZE FRAME`", "freeze", A + NAMED + "* * FREEZE FRAME\n")
    yield row("`GPI`", "left out", A + NAMED + f"GPI  001 {tc(5)}\n")
    yield row("`* FROM CLIP START`, `* TO CLIP START`: the source timecode at which a file starts",
              "read", DISSOLVE.replace(NAMED, NAMED + f"* FROM CLIP START: {tc(25)}\n")
              + f"* TO CLIP START: {tc(50)}\n",
              "video a.mov 0-2400 @0", "video b.mov 2000-3200 @2000 cross 400")
    yield row("`* FROM CLIP NAME`, `* TO CLIP NAME`, `* SOURCE FILE`, reels: names of files",
              "read", A.replace("AX", "a.mov"))
    yield row("`* FROM CLIP`, `* FROM CLIP NAME`: paths, also of Windows", "read",
              A + "* FROM CLIP: S:\\films\\a.mov\n")
    yield row("`* EFFECT NAME` of a dissolve", "left out",
              A + NAMED + "* EFFECT NAME: CROSS DISSOLVE\n")
    yield row("`EFFECTS NAME IS CROSS DISSOLVE`", "left out",
              A + NAMED + "EFFECTS NAME IS CROSS DISSOLVE\n")
    yield row("`EFFECTS NAME IS` of anything else", "effect",
              A + NAMED + "EFFECTS NAME IS DIP TO COLOR\n")
    yield row("`* AUDIO LEVEL` of 0 dB", "left out",
              A + NAMED + f"* AUDIO LEVEL AT {tc(0)} IS -0.00 DB (REEL AX A1)\n")
    yield row("`* AUDIO LEVEL`", "level",
              A + NAMED + f"* AUDIO LEVEL AT {tc(0)} IS -3.00 DB (REEL AX A1)\n")
    yield row("`* ASC_SOP`, `* ASC_SAT` that change nothing", "left out", A + NAMED
              + "*ASC_SOP (1.0 1.0 1.0) (0.0 0 0) (1 1 1)\n*ASC_SAT 1.0\n")
    yield row("`* ASC_SOP`", "grade", A + NAMED + "*ASC_SOP (1 1 1.2) (0 0 0) (1 1 1)\n")
    yield row("`* ASC_SAT`", "grade", A + NAMED + "*ASC_SAT 0.5\n")
    yield row("`* LOC` (markers), other comments, `FINAL CUT PRO REEL`", "left out",
              A + NAMED + f"* LOC: {tc(5)} RED x\n* hello\nFINAL CUT PRO REEL: A\n")
    yield row("lines of other kinds", "line", A + NAMED + "ZOOM 200\n")
# fmt: on
