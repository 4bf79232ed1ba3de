import { useComputed, useSignal, useSignalEffect } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { Icon } from "../shell/icons";
import { Playback, findVisibleClip } from "./playback";
import type { EditorStore } from "./store";
import { CaptionBox } from "./CaptionBox";
import { linesAt, styleOf } from "./captions";
import { clock, indexOf, sourceAt, wordAt, wordsOf } from "./timing";
import { findAudibleClip } from "./Transcript";

export function Player({ store }: { store: EditorStore }) {
  const stage = useRef<HTMLDivElement>(null);
  const playback = useRef<Playback | null>(null);
  useEffect(() => {
    const instance = new Playback(store, stage.current!);
    playback.current = instance;
    instance.update();
    return () => instance.stop();
  }, [store]);
  useSignalEffect(() => {
    void [store.edl.value, store.media.value, store.playing.value, store.unplayable.value];
    playback.current?.update();
  });
  useSignalEffect(() => {
    void store.playheadMs.value;
    if (!store.playing.peek()) playback.current?.update();
  });
  const toggle = () => togglePlaying(store);
  const player = useRef<HTMLElement>(null);
  const isFull = useSignal(false);
  useEffect(() => {
    const onChange = () => (isFull.value = document.fullscreenElement === player.current);
    document.addEventListener("fullscreenchange", onChange);
    return () => document.removeEventListener("fullscreenchange", onChange);
  }, []);
  const screenLabel = isFull.value ? "Leave full screen" : "Full screen";
  return (
    <section class="editor-player" aria-label="Player" ref={player}>
      <div class="editor-stage" ref={stage} onClick={toggle}>
        <Instead store={store} />
        {store.showsCaptions.value && <CurrentCaption store={store} />}
      </div>
      <div class="editor-transport">
        <button type="button" class="editor-play" onClick={toggle} aria-label={store.playing.value ? "Pause" : "Play"}>
          <Icon name={store.playing.value ? "pause" : "play"} />
        </button>
        <Time store={store} />
        <span class="spring" />
        <button
          type="button"
          class="icon"
          aria-label="Captions over the player"
          aria-pressed={store.showsCaptions.value}
          title="Captions over the player"
          onClick={() => (store.showsCaptions.value = !store.showsCaptions.value)}
        >
          <Icon name="captions" />
        </button>
        {document.fullscreenEnabled && (
          <button
            type="button"
            class="icon editor-fullscreen"
            aria-label={screenLabel}
            title={`${screenLabel} (F)`}
            onClick={() => toggleFullscreen(player.current!)}
          >
            <Icon name={isFull.value ? "minimize" : "fullscreen"} />
          </button>
        )}
      </div>
    </section>
  );
}

/** Play from the playhead, or from the start if it is at the end. */
export function togglePlaying(store: EditorStore): void {
  if (!store.playing.value && store.playheadMs.value >= store.durationMs.value) store.seek(0);
  store.playing.value = !store.playing.value && store.durationMs.value > 0;
}

/** The caption of the current word. */
function CurrentCaption({ store }: { store: EditorStore }) {
  const words = useComputed(() => wordsOf((store.edl.value?.transcript.segments ?? []).filter((segment) => !segment.deleted)));
  const index = useComputed(() => indexOf(words.value));
  const text = useComputed(() => {
    const ms = store.playheadMs.value;
    const clip = findAudibleClip(store, ms);
    const position = clip && wordAt(words.value, index.value, clip.media_file_id, sourceAt(clip, ms));
    return position == null ? "" : linesAt(words.value, position, styleOf(store.edl.value)).join("\n");
  });
  const picture = store.edl.value?.settings.resolution;
  if (!text.value || !picture) return null;
  return <CaptionBox style={styleOf(store.edl.value)} lines={text.value.split("\n")} ratio={picture.width / picture.height} />;
}

/** Enter or leave full screen; the browser may refuse. */
export function toggleFullscreen(player: Element): void {
  const change = document.fullscreenElement ? document.exitFullscreen() : player.requestFullscreen();
  change.catch(() => undefined);
}

function Time({ store }: { store: EditorStore }) {
  return (
    <span class="editor-time">
      <b>{clock(store.playheadMs.value)}</b> / {clock(store.durationMs.value)}
    </span>
  );
}

/** The reason why no video plays, with stills if there are any. */
function Instead({ store }: { store: EditorStore }) {
  const seen = useComputed(() => findVisibleClip(store.edl.value?.tracks ?? [], store.playheadMs.value));
  const clip = seen.value;
  const media = clip && store.media.value.get(clip.media_file_id);
  if (!store.durationMs.value) {
    return <p class="editor-instead">The timeline is empty. Drop a video into Media.</p>;
  }
  if (clip?.offline) return <p class="editor-instead">The file of this clip has been deleted.</p>;
  if (!clip || !media || !store.unplayable.value.has(media.id)) return null;
  return (
    <>
      <Tile store={store} />
      <p class="editor-instead">
        This browser cannot play {media.name}. You can still cut and render it. A copy made with Compression plays
        here.
      </p>
    </>
  );
}

/** The still of a file's sprite that is nearest to the playhead. */
function Tile({ store }: { store: EditorStore }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const image = useRef<HTMLImageElement | null>(null);
  useSignalEffect(() => {
    const ms = store.playheadMs.value;
    const clip = findVisibleClip(store.edl.value?.tracks ?? [], ms);
    const media = clip && store.media.value.get(clip.media_file_id);
    if (!clip || !media?.sprite || !media.sprite_url || !canvas.current) return;
    const { columns, count, interval_ms, tile_width, tile_height } = media.sprite;
    const draw = () => {
      const n = Math.min(count - 1, Math.floor(sourceAt(clip, ms) / interval_ms));
      const [x, y] = [(n % columns) * tile_width, Math.floor(n / columns) * tile_height];
      Object.assign(canvas.current ?? {}, { width: tile_width, height: tile_height });
      canvas.current
        ?.getContext("2d")
        ?.drawImage(image.current!, x, y, tile_width, tile_height, 0, 0, tile_width, tile_height);
    };
    if (image.current?.src === media.sprite_url) {
      if (image.current.complete) draw();
      return;
    }
    image.current = new Image();
    image.current.onload = draw;
    image.current.src = media.sprite_url;
  });
  return <canvas class="editor-tile" ref={canvas} aria-hidden="true" />;
}
