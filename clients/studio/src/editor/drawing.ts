/** Paints clips: stills of films, waveforms of sound. */

import type { MediaDetail } from "auteur-client";
import { sourceAt } from "./timing";
import type { Clip } from "./types";

interface Peaks {
  pairs_per_second: number;
  /** Alternating minimum and maximum samples, -128 to 127. */
  data: number[];
}

const HEIGHT = 64;
const MAX_CACHED = 50;

/** Loads stills and waveforms, once for each file, and calls back when one has arrived. */
export class Pictures {
  readonly #sprites = new Map<string, HTMLImageElement>();
  readonly #peaks = new Map<string, Peaks | null>();

  constructor(private readonly onLoad: () => void) {}

  sprite(media: MediaDetail): HTMLImageElement | null {
    if (!media.sprite_url) return null;
    const cached = this.#sprites.get(media.id);
    if (cached) return cached.complete && cached.naturalWidth ? cached : null;
    const image = new Image();
    image.onload = this.onLoad;
    image.src = media.sprite_url;
    cache(this.#sprites, media.id, image);
    return null;
  }

  peaks(media: MediaDetail): Peaks | null {
    if (!media.peaks_url || this.#peaks.has(media.id)) return this.#peaks.get(media.id) ?? null;
    cache(this.#peaks, media.id, null);
    fetch(media.peaks_url)
      .then((answer) => (answer.ok ? answer.json() : null))
      .then((peaks: Peaks | null) => {
        cache(this.#peaks, media.id, peaks);
        this.onLoad();
      })
      .catch(() => this.#peaks.delete(media.id)); // the clip is drawn without a waveform
    return null;
  }
}

function cache<T>(map: Map<string, T>, id: string, value: T): void {
  map.set(id, value);
  if (map.size > MAX_CACHED) map.delete(map.keys().next().value!);
}

/** Paint the part of a clip that lies between two times of the timeline. */
export function paint(
  canvas: HTMLCanvasElement,
  clip: Clip,
  media: MediaDetail,
  pictures: Pictures,
  [from, until]: readonly [number, number],
  pixelsPerMs: number,
): void {
  const width = Math.max(1, Math.round((until - from) * pixelsPerMs));
  const scale = devicePixelRatio || 1;
  canvas.width = width * scale;
  canvas.height = HEIGHT * scale;
  const pen = canvas.getContext("2d")!;
  pen.scale(scale, scale);
  const sprite = pictures.sprite(media);
  if (sprite && media.sprite) paintStills(pen, clip, media.sprite, sprite, from, width, pixelsPerMs);
  const peaks = pictures.peaks(media);
  pen.fillStyle = getComputedStyle(canvas).color;
  if (peaks) paintSound(pen, clip, peaks, from, width, pixelsPerMs, sprite ? 22 : HEIGHT);
}

function paintStills(
  pen: CanvasRenderingContext2D,
  clip: Clip,
  sprite: NonNullable<MediaDetail["sprite"]>,
  image: HTMLImageElement,
  from: number,
  width: number,
  pixelsPerMs: number,
): void {
  const { columns, count, interval_ms, tile_width, tile_height } = sprite;
  const tile = (HEIGHT * tile_width) / tile_height;
  const first = (from - clip.start_ms) * pixelsPerMs;
  for (let x = -(first % tile); x < width; x += tile) {
    const at = sourceAt(clip, from + Math.max(0, x) / pixelsPerMs);
    const n = Math.min(count - 1, Math.max(0, Math.floor(at / interval_ms)));
    const [sx, sy] = [(n % columns) * tile_width, Math.floor(n / columns) * tile_height];
    pen.drawImage(image, sx, sy, tile_width, tile_height, x, 0, tile, HEIGHT);
  }
}

function paintSound(
  pen: CanvasRenderingContext2D,
  clip: Clip,
  { pairs_per_second, data }: Peaks,
  from: number,
  width: number,
  pixelsPerMs: number,
  height: number,
): void {
  const pairAt = (x: number) =>
    Math.floor((sourceAt(clip, from + x / pixelsPerMs) / 1000) * pairs_per_second);
  pen.globalAlpha = 0.85;
  for (let x = 0; x < width; x++) {
    let loudest = 0;
    for (let n = pairAt(x), end = Math.max(n + 1, pairAt(x + 1)); n < end; n++) {
      loudest = Math.max(loudest, -(data[2 * n] ?? 0), data[2 * n + 1] ?? 0);
    }
    const tall = Math.max(1, (loudest / 128) * height);
    pen.fillRect(x, height === HEIGHT ? (HEIGHT - tall) / 2 : HEIGHT - tall, 1, tall);
  }
}
