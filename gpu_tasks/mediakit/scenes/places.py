"""Places: skies, what stands at the horizon, grounds, rooms, depths; and the weather over them."""

import numpy as np

from gpu_tasks.mediakit.scenes.light import colour, hues, mixed
from gpu_tasks.mediakit.scenes.stage import SHORE, Field, Stage
from gpu_tasks.mediakit.scenes.things import DRAWINGS, draw

PATTERN = ("2b5876", "d98a5f", "4e4376", "e8c07a")
"""Colours of an abstract picture for which none was said."""
RAINBOW = ("7a40c0", "3070e0", "40b050", "f0e040", "f08030", "e03030")


def abstract(stage: Stage) -> None:
    """Bands of colour that flow into each other."""
    t, x, y = stage.seconds, stage.x * stage.width / stage.height, stage.y
    a, b, c, d = stage.rng.uniform(2, 5, 4)
    bent = x + 0.35 * np.sin(a * y + 0.5 * t) + 0.2 * np.sin(b * x + 0.3 * t)
    level = 0.5 + 0.5 * np.sin(c * bent + d * y + 1.5 * np.sin(2 * bent - y) + 0.4 * t)
    first, *others = hues(stage.told) or [colour(code) for code in stage.rng.permutation(PATTERN)]
    stops = [first * 0.25, first, *others, mixed(first, colour("ffffff"), 0.7)]
    if "vivid" in stage.told.moods:
        stops = [np.clip(mixed(own, own.mean(keepdims=True), -0.8), 0, 255) for own in stops]
    places = np.linspace(0, 1, len(stops))
    for channel in range(3):
        stage.canvas[..., channel] = np.interp(level, places, [own[channel] for own in stops])


def space(stage: Stage) -> None:
    """Stars and a nebula."""
    stage.canvas[:] = (6, 6, 16)
    cloud = stage.noise(stage.height, stage.width, 2, stretch=2)
    tinge = next(iter(hues(stage.told)), colour("b0406a"))
    stage.blend(tinge, np.clip(cloud - 0.5, 0, 1) * 1.8)
    stage.blend(mixed(tinge, colour("ffd0a0"), 0.7), np.clip(cloud - 0.72, 0, 1) * 2)
    _stars(stage, stage.height, 260)


def underwater(stage: Stage) -> None:
    """Rays of light, bubbles, a seabed and weeds."""
    t, deep = stage.seconds, stage.own("underwater", "0a3f66")
    stage.canvas[:] = mixed(mixed(deep, colour("5fd0e0"), 0.6), deep, stage.y[..., None] ** 0.6)
    slanted = stage.x * 14 + stage.y * 4
    rays = np.sin(slanted + 0.6 * t) * np.sin(slanted * 0.37 - 0.4 * t)
    stage.blend(colour("c8f4ff"), 0.4 * np.clip(rays, 0, 1) * (1 - stage.y) ** 1.5)
    bed = 0.86 + 0.06 * (stage.ridge(5) - 0.5)
    stage.below(bed * stage.height, stage.light.lit(colour("5a6a62")))
    for index, (x, tall) in enumerate(stage.rng.uniform((0, 0.15), (1, 0.35), (14, 2))):
        own = colour(("3d8a5a", "d06048", "c8508a")[index % 3])
        foot = (x * stage.width, stage.height * (0.9 + 0.1 * tall))
        draw(
            stage, "weed", foot, tall * stage.height, own, sway=14 * float(np.sin(1.2 * t + index))
        )
    for x, y, size in stage.rng.random((40, 3)):
        at = (x * stage.width, (y - 0.15 * t) % 1 * stage.height)
        stage.disc(at, (0.003 + 0.006 * size) * stage.unit, colour("c8f0fa"))


def room(stage: Stage) -> None:
    """A wall with a window and a picture, and a floor of boards."""
    wall, floor = stage.own("room", "a8b8a8"), stage.light.lit(colour("8a5a38"))
    height, width, unit = stage.height, stage.width, stage.unit
    stage.canvas[:] = mixed(wall, wall * 0.7, stage.x[..., None])
    stage.box(0, stage.horizon, width, height, floor)
    for index in range(-9, 10):
        ends = [
            (width * (0.5 + index * wide), y) for wide, y in ((0.09, stage.horizon), (0.26, height))
        ]
        stage.line(ends, 2, floor * 0.7)
    for name, x, y, tall in (("window", 0.3, 0.48, 0.4), ("picture", 0.8, 0.38, 0.22)):
        own = colour(DRAWINGS[name].code)
        draw(stage, name, (x * width, y * height), tall * unit, own)
    drift = 0.26 + 0.02 * np.sin(0.4 * stage.seconds)
    stage.oval((drift * width, 0.2 * height), (0.06 * unit, 0.02 * unit), colour("ffffff"))


def landscape(stage: Stage) -> None:
    """A sky, what stands at the horizon, and the ground."""
    across = float(stage.rng.choice((0.3, 0.62, 0.7)))
    _sky(stage, across)
    _ranges(stage)
    _ground(stage, across)


def _sky(stage: Stage, across: float) -> None:
    told, light = stage.told, stage.light
    rows = stage.y * stage.height / stage.horizon
    own = [np.interp(rows[:, 0], (0, 0.6, 1), light.sky[:, channel]) for channel in range(3)]
    dither = stage.rng.random((stage.height, stage.width, 1), np.float32)
    stage.canvas[:] = np.stack(own, axis=-1)[:, None].astype(np.float32) + dither
    clear = light.dark and not stage.covered
    if clear:
        _stars(stage, stage.horizon, 160)
    if told.has("aurora"):
        _aurora(stage)
    at = (across * stage.width, stage.horizon * (1 - light.height * 0.9))
    if told.has("moon") or clear:
        _moon(stage, at)
    elif told.has("sun") or not (stage.covered or told.has("fog") or told.has("snow")):
        stage.glow(at, stage.unit * 0.5, light.sun, 0.7)
        stage.disc(at, stage.unit * 0.06, light.sun)
    _clouds(stage)
    if told.has("rainbow"):
        _rainbow(stage)


def _stars(stage: Stage, rows: int, count: int) -> None:
    for x, y, size in stage.rng.random((count, 3)):
        shine = 150 + 100 * size * np.cos(3 * size * stage.seconds) ** 2
        at, radius = (x * stage.width, y * rows), (0.001 + 0.004 * size**3) * stage.unit
        stage.disc(at, radius, np.full(3, shine))


def _moon(stage: Stage, at: tuple[float, float]) -> None:
    radius = stage.unit * 0.06
    stage.glow(at, radius * 4, stage.light.sun, 0.35)
    stage.disc(at, radius, stage.light.sun)
    if "crescent" in stage.told.understood:
        stage.disc((at[0] + radius * 0.45, at[1] - radius * 0.2), radius * 0.9, stage.light.sky[0])


def _clouds(stage: Stage) -> None:
    cover = 0.95 if stage.covered else 0.72 if stage.told.has("cloud") else 0.42
    field = stage.noise(stage.horizon, stage.width * 2, 2.5, stretch=2.5)
    start = round(stage.width * (0.5 + 0.5 * np.sin(0.06 * stage.seconds)))
    seen = field[:, start : start + stage.width]
    light = stage.light
    own = mixed(light.sky[2], light.sun, 0.2 if stage.covered or light.dark else 0.7)
    opacity = np.clip((seen - 1 + cover) * 3, 0, 0.9)
    shaded = mixed(own, light.sky[0], 0.4 * seen[..., None])
    stage.blend(shaded, opacity * (0.4 if light.dark else 1.0))


def _aurora(stage: Stage) -> None:
    t, x = stage.seconds, stage.x
    for index, code in enumerate(("40e8a0", "50c8e8", "a060e0")):
        foot = 0.3 + 0.06 * np.sin(5 * x + index + 0.4 * t) + 0.03 * np.sin(13 * x - 0.6 * t)
        above = foot + 0.05 * index - stage.y
        fall = np.where(above > 0, np.exp(-above * 6), np.exp(above * 50))
        stage.blend(colour(code), 0.6 * fall * (0.55 + 0.45 * np.sin(30 * x + 3 * index + t)))


def _rainbow(stage: Stage) -> None:
    across = (stage.x - 0.5) * stage.width
    far = np.hypot(across, (stage.y - 0.65) * stage.height) / stage.height
    band = (far - 0.46) / 0.08
    stops = np.stack([colour(code) for code in RAINBOW])
    own = np.stack([np.interp(band, np.linspace(0, 1, 6), stops[:, c]) for c in range(3)], axis=-1)
    stage.blend(own, 0.55 * np.clip(4 * np.minimum(band, 1 - band), 0, 1))


def _ranges(stage: Stage) -> None:
    light, unit, line = stage.light, stage.height, float(stage.horizon)
    if stage.asked("mountains"):
        peaks = line - 0.15 * unit - 0.33 * unit * stage.ridge(4)
        stage.below(peaks, stage.own("mountains", "6b7280"))
        rows = stage.y * unit
        ice = line - (0.27 + 0.03 * stage.ridge(40)) * unit - rows
        stage.blend(light.lit(colour("f0f4fa")), np.clip(rows - peaks, 0, 1) * np.clip(ice, 0, 1))
    if stage.asked("hills") or not any(stage.asked(one) for one in ("sea", "beach", "desert")):
        for far in (0.55, 0.3):
            tops = line - (0.5 if stage.asked("hills") else 0.3) * far * unit * (
                0.15 + stage.ridge(3)
            )
            stage.below(tops, mixed(_grass(stage, "hills"), light.sky[2], far))
    if stage.asked("city"):
        _city(stage)
    if stage.asked("forest"):
        own = colour("c0ccc4" if stage.told.has("snow") else "2f5a3c")
        for x, tall in stage.rng.random((round(60 * stage.width / stage.height), 2)):
            foot, height = (x * stage.width, line + 0.02 * unit), (0.16 + 0.12 * tall) * unit
            draw(stage, "pine", foot, height, own * (0.75 + 0.3 * tall))


def _city(stage: Stage) -> None:
    light, unit = stage.light, stage.unit
    count, step = round(16 * stage.width / unit), max(3, round(0.016 * unit))
    for index in range(count):
        wide, tall, lightness = stage.rng.random(3)
        left = round((index + 0.4 * wide) / count * stage.width)
        right = left + max(6, round((0.05 + 0.04 * wide) * unit))
        top = round(stage.horizon - (0.12 + 0.32 * tall**1.5) * unit)
        wall = light.lit(colour("5a6478"), 0.1 + 0.3 * lightness)
        stage.box(left, top, right, stage.horizon, wall)
        for y in range(top + step, stage.horizon - step, 2 * step):
            for x in range(left + step, right - step, 2 * step):
                lit = stage.rng.random() < 0.5 and (light.dark or light.height < 0.35)
                stage.box(x, y, x + step // 2, y + step, colour("ffd27a") if lit else wall * 0.75)


def _grass(stage: Stage, place: str) -> Field:
    if stage.told.has("snow"):
        return stage.light.lit(colour("ffffff"))
    return stage.own(place, "b08a3a" if "autumn" in stage.told.moods else "5f9e3f")


def _ground(stage: Stage, across: float) -> None:
    line = np.full((1, stage.width), stage.horizon, np.float32)
    rows = stage.height - stage.horizon
    if stage.wet:
        _water(stage, across)
        if stage.ashore:
            surf = stage.height * (SHORE + 0.02 * stage.ridge(3) + 0.004 * np.sin(stage.seconds))
            stage.below(surf - 0.012 * stage.height, colour("ffffff"), 0.5)
            stage.below(surf, stage.own("beach", "dcc690"))
        return
    if stage.asked("desert"):
        for index, far in enumerate((0.35, 0.15, 0.0)):
            dune = line + rows * (0.3 * index - 0.2 * stage.ridge(2) + 0.1)
            own = mixed(stage.own("desert", "d8a860"), stage.light.sky[2], far)
            stage.below(np.minimum(dune, line) if index == 0 else dune, own * (1 - 0.06 * index))
        return
    grass = _grass(stage, "field")
    stage.below(line, grass)
    texture = stage.noise(rows, stage.width, 8, stretch=3) - 0.5
    near = np.linspace(0.1, 1, rows, dtype=np.float32)[:, None]
    stage.blend(grass * 0.6, near * (0.35 + texture) * 0.5, stage.horizon)
    if stage.told.has("car") or stage.asked("road"):
        _road(stage)


def _water(stage: Stage, across: float) -> None:
    rows, light, t = stage.height - stage.horizon, stage.light, stage.seconds
    down = np.linspace(0, 1, rows, dtype=np.float32)[:, None]
    own = stage.own("sea", "2f6fa8")
    stage.blend(mixed(light.sky[2], own, 0.6), np.ones((rows, stage.width)), stage.horizon)
    stage.blend(own * 0.6, down * np.ones_like(stage.x), stage.horizon)
    depth = 9 / (down + 0.06)
    wave = np.sin(depth + 1.6 * t + 2 * np.sin(stage.x * (9 + depth) + 0.7 * t))
    wave = wave * np.sin(stage.x * (23 + depth) - 0.9 * t + 5 * down)
    stage.blend(mixed(own, colour("ffffff"), 0.4), 0.3 * np.clip(wave, 0, 1), stage.horizon)
    path = np.exp(-(((stage.x - across) / (0.05 + 0.12 * down)) ** 2))
    gleam = (0.1 if stage.covered else 0.8) * path * np.clip(0.3 + wave, 0, 1)
    stage.blend(light.sun, gleam, stage.horizon)


def _road(stage: Stage) -> None:
    height, width = stage.height, stage.width
    grey, white = stage.own("road", "4a4a50"), stage.light.lit(colour("e8e4d8"))
    if stage.told.has("car"):
        stage.box(0, 0.8 * height, width, 0.97 * height, grey)
        for x in np.arange(0, width, width / 8):
            stage.box(x, 0.88 * height, x + width / 16, 0.89 * height, white)
        return
    for far, near, own in ((0.01, 0.34, grey), (0.001, 0.008, white)):
        ends = ((-far, stage.horizon), (far, stage.horizon), (near, height), (-near, height))
        stage.polygon([((0.5 + x) * width, y) for x, y in ends], own)


def weather(stage: Stage) -> None:
    """What falls, hangs and strikes before everything else."""
    told, t, width, height = stage.told, stage.seconds, stage.width, stage.height
    if told.has("lightning") or told.has("storm"):
        _lightning(stage)
    if told.has("fog"):
        haze = mixed(stage.light.sky[2], colour("d0d4da"), 0.4)
        drift = np.sin(5 * stage.x + 0.5 * t) * np.sin(9 * stage.y + 0.3 * t)
        stage.blend(haze, 0.62 + 0.1 * drift - 0.3 * np.abs(stage.y - 0.6))
    if told.has("rain") or told.has("storm"):
        for x, y, near in stage.rng.random((140, 3)):
            at = np.array([x * width, ((y + (1.2 + near) * t) % 1.1 - 0.05) * height])
            end = at + np.array([-0.01, 0.04 + 0.04 * near]) * stage.unit
            stage.line([at, end], 1, mixed(stage.light.sky[2], colour("ffffff"), 0.2))
    if told.has("snow"):
        for x, y, near in stage.rng.random((300, 3)):
            at = np.array([x + 0.02 * np.sin(t + 6 * near), (y + (0.1 + 0.15 * near) * t) % 1])
            stage.disc(at * (width, height), (0.003 + 0.006 * near) * stage.unit, colour("f5f8fc"))


def _lightning(stage: Stage) -> None:
    since = stage.seconds % 3.2
    flash = float(np.exp(-since * 5))
    bend = np.cumsum(stage.rng.uniform(-0.03, 0.03, 12)) + stage.rng.uniform(0.3, 0.7)
    stage.blend(colour("dfe6ff"), 0.5 * flash * np.ones((stage.height, stage.width)))
    if since < 0.5:
        points = np.stack([bend * stage.width, np.linspace(0, stage.horizon, 12)], axis=1)
        shine = colour("ffffff") * (1 - 0.6 * since)
        stage.line(points, max(2.0, stage.unit * 0.01), shine)
