/** Plays a timeline in media elements: one for each clip that plays now or soon. */

import type { MediaDetail } from "auteur-client";
import type { EditorStore } from "./store";
import { gainOf } from "./effects";
import { endOf, playing, sourceAt, speedOf } from "./timing";
import type { Clip, Track } from "./types";

/** How long before its start a clip is loaded. */
const AHEAD_MS = 1_500;
/** An element that differs more from the clock is moved; less cannot be noticed. */
const DRIFT_MS = 180;
const NOT_FOUND = 4;

interface Voice {
  clip: Clip;
  element: HTMLVideoElement | HTMLImageElement;
  media: MediaDetail;
}

export class Playback {
  readonly #voices = new Map<string, Voice>();
  readonly #spare: HTMLVideoElement[] = [];
  readonly #renewed = new Set<string>();
  #frame = 0;
  #last = 0;

  constructor(
    private readonly store: EditorStore,
    private readonly stage: HTMLElement,
  ) {}

  /** Show the clips at the playhead, and play if the store plays. */
  update(): void {
    cancelAnimationFrame(this.#frame);
    this.#last = performance.now();
    this.#tick();
  }

  stop(): void {
    cancelAnimationFrame(this.#frame);
    for (const id of [...this.#voices.keys()]) this.#release(id);
  }

  readonly #tick = (): void => {
    const { store } = this;
    const now = performance.now();
    const isPlaying = store.playing.peek();
    if (isPlaying && !this.#isWaiting()) {
      const next = store.playheadMs.peek() + now - this.#last;
      const end = store.durationMs.peek();
      store.playheadMs.value = Math.min(next, end);
      if (next >= end) store.playing.value = false;
    }
    this.#last = now;
    this.#arrange();
    if (store.playing.peek()) this.#frame = requestAnimationFrame(this.#tick);
  };

  /** True if a visible film has not loaded its frame yet. */
  #isWaiting(): boolean {
    const ms = this.store.playheadMs.peek();
    for (const { clip, element, media } of this.#voices.values()) {
      const isNow = clip.start_ms <= ms && ms < endOf(clip);
      const canCome = !this.store.unplayable.peek().has(media.id);
      if (isNow && canCome && element instanceof HTMLVideoElement && element.readyState < 2) return true;
    }
    return false;
  }

  #arrange(): void {
    const { store } = this;
    const ms = store.playheadMs.peek();
    const tracks = store.edl.peek()?.tracks ?? [];
    const heard = new Set(
      tracks
        .filter((track) => track.type === "audio")
        .flatMap((track) => near(track, ms, 0))
        .map((clip) => clip.media_file_id),
    );
    const clipIds = new Set<string>();
    tracks.forEach((track, level) => {
      for (const clip of near(track, ms, store.playing.peek() ? AHEAD_MS : 0)) {
        const media = store.media.peek().get(clip.media_file_id);
        if (!media?.download_url || clip.offline || store.unplayable.peek().has(media.id)) continue;
        clipIds.add(clip.id);
        const voice = this.#voice(clip, media);
        const isMuted = track.type === "video" && heard.has(clip.media_file_id);
        this.#direct(voice, ms, track.type === "video" ? level + 1 : 0, isMuted);
      }
    });
    for (const id of [...this.#voices.keys()]) if (!clipIds.has(id)) this.#release(id);
  }

  /** Set an element to the state of its clip at a time. */
  #direct({ clip, element }: Voice, ms: number, level: number, isMuted: boolean): void {
    const isNow = clip.start_ms <= ms && ms < endOf(clip);
    const strength = fading(clip, ms);
    const style = element.style;
    style.zIndex = String(level);
    style.visibility = isNow && level ? "visible" : "hidden";
    style.opacity = String(strength);
    if (element instanceof HTMLImageElement) return;
    const speed = speedOf(clip);
    const target = sourceAt(clip, Math.max(ms, clip.start_ms)) / 1000;
    const isPlaying = this.store.playing.peek() && isNow;
    element.muted = isMuted || !isNow;
    element.volume = Math.min(1, strength * 10 ** (gainOf(clip) / 20));
    if (element.playbackRate !== speed) element.playbackRate = Math.min(Math.max(speed, 0.1), 10);
    const tolerance = isPlaying ? (DRIFT_MS / 1000) * Math.max(1, speed) : 0.02;
    if (!element.seeking && Math.abs(element.currentTime - target) > tolerance) element.currentTime = target;
    if (isPlaying && element.paused) void element.play().catch((error: Error) => this.#refused(error));
    if (!isPlaying && !element.paused) element.pause();
  }

  /** Pause if the browser refuses sound before the user's first action. */
  #refused(error: Error): void {
    if (error.name === "NotAllowedError") this.store.playing.value = false;
  }

  #voice(clip: Clip, media: MediaDetail): Voice {
    const current = this.#voices.get(clip.id);
    if (current && current.media.id === media.id) {
      current.clip = clip;
      return current;
    }
    if (current) this.#release(clip.id);
    const element = media.type === "image" ? this.#image(media) : this.#video(media);
    const voice = { clip, element, media };
    this.#voices.set(clip.id, voice);
    return voice;
  }

  #image(media: MediaDetail): HTMLImageElement {
    const image = document.createElement("img");
    image.alt = "";
    image.src = media.download_url!;
    this.stage.append(image);
    return image;
  }

  /** Return an element for the file, reusing a spare one, so that cuts need no request. */
  #video(media: MediaDetail): HTMLVideoElement {
    const at = this.#spare.findIndex((element) => element.dataset.media === media.id);
    const video = at < 0 ? document.createElement("video") : this.#spare.splice(at, 1)[0]!;
    if (at >= 0) return video;
    video.dataset.media = media.id;
    video.playsInline = true;
    video.preload = "auto";
    video.disablePictureInPicture = true;
    video.onerror = () => this.#failed(video, media);
    video.onseeked = video.onloadeddata = () => {
      if (!this.store.playing.peek()) this.update();
    };
    video.src = media.download_url!;
    this.stage.append(video);
    return video;
  }

  /** Renew an expired URL once; after that, mark the file as unplayable. */
  #failed(video: HTMLVideoElement, media: MediaDetail): void {
    if (!video.getAttribute("src")) return;
    for (const [id, voice] of this.#voices) if (voice.element === video) this.#voices.delete(id);
    remove(video);
    const isUrl = video.error?.code !== NOT_FOUND || !this.#renewed.has(media.id);
    if (isUrl && !this.#renewed.has(media.id)) {
      this.#renewed.add(media.id);
      void this.store.needMedia(media.id, true).then(() => this.update());
    } else this.store.cannotPlay(media.id);
  }

  #release(id: string): void {
    const { element } = this.#voices.get(id)!;
    this.#voices.delete(id);
    if (element instanceof HTMLImageElement) return element.remove();
    element.pause();
    element.muted = true;
    element.style.visibility = "hidden";
    this.#spare.push(element);
    while (this.#spare.length > 2) remove(this.#spare.shift()!);
  }
}

function remove(video: HTMLVideoElement): void {
  video.removeAttribute("src");
  video.load();
  video.remove();
}

/** Return the clips of a track that play at a time, or within so many milliseconds of it. */
function near(track: Track, ms: number, ahead: number): Clip[] {
  return track.clips.filter(
    (clip) => !clip.deleted && clip.start_ms <= ms + ahead && ms < endOf(clip),
  );
}

/** Return the strength of a clip at a time, from its fades: 0 to 1. */
function fading(clip: Clip, ms: number): number {
  let strength = 1;
  for (const effect of clip.effects) {
    if (!("duration_ms" in effect) || !("offset_ms" in effect)) continue;
    const distance = effect.type === "fade_in" ? ms - clip.start_ms : endOf(clip) - ms;
    const done = (distance + Number(effect.offset_ms ?? 0)) / Number(effect.duration_ms);
    strength = Math.min(strength, Math.max(0, done));
  }
  return strength;
}

/** Return the visible clip at a time: that of the highest track. */
export function findVisibleClip(tracks: readonly Track[], ms: number): Clip | undefined {
  const videos = tracks.filter((track) => track.type === "video").reverse();
  for (const track of videos) {
    const clip = playing(track).find((clip) => clip.start_ms <= ms && ms < endOf(clip));
    if (clip) return clip;
  }
  return undefined;
}
