import { useComputed, useSignalEffect } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { Playback, seenAt } from "./playback";
import type { EditorStore } from "./store";
import { clock, sourceAt } from "./timing";

export function Player({ store }: { store: EditorStore }) {
  const stage = useRef<HTMLDivElement>(null);
  const playback = useRef<Playback | null>(null);
  useEffect(() => {
    const made = new Playback(store, stage.current!);
    playback.current = made;
    made.update();
    return () => made.stop();
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
  return (
    <section class="editor-player" aria-label="Player">
      <div class="editor-stage" ref={stage} onClick={toggle}>
        <Instead store={store} />
      </div>
      <div class="editor-transport">
        <button type="button" class="editor-play" onClick={toggle} aria-label={store.playing.value ? "Pause" : "Play"}>
          {store.playing.value ? "❚❚" : "▶"}
        </button>
        <Time store={store} />
      </div>
    </section>
  );
}

/** Play from the playhead; from the start where it is at the end. */
export function togglePlaying(store: EditorStore): void {
  if (!store.playing.value && store.playheadMs.value >= store.durationMs.value) store.seek(0);
  store.playing.value = !store.playing.value && store.durationMs.value > 0;
}

function Time({ store }: { store: EditorStore }) {
  return (
    <span class="editor-time">
      <b>{clock(store.playheadMs.value)}</b> / {clock(store.durationMs.value)}
    </span>
  );
}

/** What is shown where there is no film to show: why, and pictures of it if there are any. */
function Instead({ store }: { store: EditorStore }) {
  const seen = useComputed(() => seenAt(store.edl.value?.tracks ?? [], store.playheadMs.value));
  const clip = seen.value;
  const media = clip && store.media.value.get(clip.media_file_id);
  if (!store.durationMs.value) {
    return <p class="editor-instead">Nothing on the timeline yet. Add a file from the media list.</p>;
  }
  if (clip?.offline) return <p class="editor-instead">The file of this clip has been deleted.</p>;
  if (!clip || !media || !store.unplayable.value.has(media.id)) return null;
  return (
    <>
      <Tile store={store} />
      <p class="editor-instead">
        This browser cannot play {media.name}. You can cut it all the same, and see it rendered; a copy made by
        Compression plays here.
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
    const clip = seenAt(store.edl.value?.tracks ?? [], ms);
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
