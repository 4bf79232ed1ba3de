/** One clip on its track. */

import { type Signal, useSignal, useSignalEffect } from "@preact/signals";
import { useRef } from "preact/hooks";
import { paint, type Pictures } from "./drawing";
import { fadeOf, gainOf, SILENT_DB } from "./effects";
import { trimClip } from "./foresight";
import type { EditorStore } from "./store";
import type { View } from "./Timeline";
import { clock, endOf, playing, speedOf } from "./timing";
import type { Clip, Track } from "./types";

const SNAP_PX = 8;
const CLICK_PX = 3;
const LEAST_MS = 40;

type Grip = "body" | "start" | "end";

interface Props {
  store: EditorStore;
  clip: Clip;
  track: Track;
  view: View;
  pictures: Pictures;
  painted: Signal<number>;
}

/** The position at which a pointer has grabbed the clip. */
interface Grab {
  x: number;
  grip: Grip;
  isDragged: boolean;
}

export function ClipView({ store, clip, track, view, pictures, painted }: Props) {
  const grab = useRef<Grab | null>(null);
  const draft = useSignal<Clip | null>(null);
  const visibleClip = draft.value ?? clip;
  const scale = view.pixelsPerMs.value;
  const media = store.media.value.get(clip.media_file_id);
  const isSelected = store.selection.value.clipIds.includes(clip.id);
  const name = clip.offline ? "Deleted file" : (media?.name ?? "…");
  const title = `${name}${volumeNote(visibleClip)}`;

  const press = (event: PointerEvent) => {
    if (event.button !== 0) return;
    const grip = ((event.target as HTMLElement).dataset.grip ?? "body") as Grip;
    grab.current = { x: event.clientX, grip, isDragged: false };
    (event.currentTarget as Element).setPointerCapture(event.pointerId);
    const otherIds = event.shiftKey ? store.selection.value.clipIds.filter((id) => id !== clip.id) : [];
    store.select([clip.id, ...otherIds]);
  };
  const drag = (event: PointerEvent) => {
    const hold = grab.current;
    if (!hold) return;
    const distance = event.clientX - hold.x;
    if (!hold.isDragged && Math.abs(distance) < CLICK_PX && hold.grip !== "body") return;
    hold.isDragged ||= Math.abs(distance) >= CLICK_PX || trackAt(event) !== clip.track_id;
    if (!hold.isDragged) return;
    const ms = distance / view.pixelsPerMs.value;
    draft.value = hold.grip === "body" ? moveTo(ms, trackAt(event)) : trimTo(hold.grip, ms);
  };
  const drop = () => {
    const result = draft.value;
    grab.current = null;
    draft.value = null;
    if (result) change(result);
  };
  /** Return the track of the same kind below the pointer, or else the clip's own. */
  const trackAt = (event: PointerEvent): string => {
    const over = document.elementsFromPoint(event.clientX, event.clientY);
    const row = over.map((element) => element.closest<HTMLElement>("[data-track]")).find(Boolean);
    return row?.dataset.type === track.type ? row.dataset.track! : clip.track_id;
  };
  const moveTo = (ms: number, track_id: string): Clip => {
    const start = clip.start_ms + ms;
    const bySnap = [snapTo(start) - start, snapTo(start + clip.duration_ms) - start - clip.duration_ms];
    const snap = bySnap.sort((a, b) => Math.abs(b) - Math.abs(a)).find((distance) => distance) ?? 0;
    return { ...clip, track_id, start_ms: Math.max(0, Math.round(start + snap)) };
  };
  const trimTo = (grip: "start" | "end", ms: number): Clip => {
    const speed = speedOf(clip);
    const longest = media?.type === "image" ? Infinity : (media?.duration_ms ?? clip.out_point_ms);
    if (grip === "end") {
      const end = snapTo(endOf(clip) + ms);
      const out = Math.round(clip.in_point_ms + (end - clip.start_ms) * speed);
      return trimClip(clip, { out_point_ms: Math.min(Math.max(out, clip.in_point_ms + LEAST_MS), longest) });
    }
    const start = Math.max(0, snapTo(clip.start_ms + ms));
    const inPoint = Math.round(clip.in_point_ms + (start - clip.start_ms) * speed);
    return trimClip(clip, { in_point_ms: Math.min(Math.max(0, inPoint), clip.out_point_ms - LEAST_MS) });
  };
  /** Return the edge of another clip, or the playhead, if a time is near it. */
  const snapTo = (ms: number): number => {
    const tracks = store.edl.value?.tracks ?? [];
    const edges = tracks.flatMap((row) =>
      playing(row).flatMap((other) => (other.id === clip.id ? [] : [other.start_ms, endOf(other)])),
    );
    const near = SNAP_PX / view.pixelsPerMs.value;
    const nearEdges = [0, store.playheadMs.value, ...edges].filter((edge) => Math.abs(edge - ms) < near);
    return nearEdges.sort((a, b) => Math.abs(a - ms) - Math.abs(b - ms))[0] ?? ms;
  };
  const change = (result: Clip) => {
    const { id: clip_id, in_point_ms, out_point_ms, track_id } = result;
    if (in_point_ms !== clip.in_point_ms || out_point_ms !== clip.out_point_ms) {
      store.apply([{ op: "trim_clip", clip_id, in_point_ms, out_point_ms, start_ms: result.start_ms }]);
    } else if (result.start_ms !== clip.start_ms || track_id !== clip.track_id) {
      const target = store.edl.value!.tracks.find((row) => row.id === track_id) ?? track;
      store.apply([{ op: "move_clip", clip_id, track_id, start_ms: findFreeStart(result, target) }]);
    }
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const { key, altKey, shiftKey } = event;
    const step = shiftKey ? 1000 : Math.round(1000 / (store.edl.value?.settings.frame_rate || 30));
    const at = store.playheadMs.value;
    const isInside = clip.start_ms < at && at < endOf(clip);
    if (altKey && key === "ArrowRight") change({ ...clip, start_ms: clip.start_ms + step });
    else if (altKey && key === "ArrowLeft") change({ ...clip, start_ms: Math.max(0, clip.start_ms - step) });
    else if (key === "[" && isInside) change(trimTo("start", at - clip.start_ms));
    else if (key === "]" && isInside) change(trimTo("end", at - endOf(clip)));
    else if (key === "ArrowRight" || key === "ArrowLeft") focusBeside(event);
    else if (key === "Enter") store.select([clip.id]);
    else return;
    event.preventDefault();
  };
  return (
    <div
      class={`editor-clip${isSelected ? " editor-selected" : ""}${clip.offline ? " editor-offline" : ""}`}
      style={{
        left: `${visibleClip.start_ms * scale}px`,
        width: `${Math.max(2, visibleClip.duration_ms * scale)}px`,
        zIndex: draft.value ? 3 : 1,
      }}
      data-clip={clip.id}
      data-target={visibleClip.track_id === clip.track_id ? undefined : "elsewhere"}
      role="button"
      tabIndex={0}
      aria-pressed={isSelected}
      aria-label={`${title}, from ${clock(clip.start_ms)}, ${clock(clip.duration_ms)} long`}
      title={name}
      onFocus={() => isSelected || grab.current || store.select([clip.id])}
      onPointerDown={press}
      onPointerMove={drag}
      onPointerUp={drop}
      onPointerCancel={() => ((grab.current = null), (draft.value = null))}
      onKeyDown={onKeyDown}
    >
      <Painting {...{ store, clip: visibleClip, view, pictures, painted }} />
      <FadeShape side="start" px={fadeOf(visibleClip, "fade_in") * scale} />
      <FadeShape side="end" px={fadeOf(visibleClip, "fade_out") * scale} />
      <span class="editor-clip-name">{title}</span>
      <span class="editor-grip" data-grip="start" />
      <span class="editor-grip editor-grip-end" data-grip="end" />
    </div>
  );
}

/** The part of a clip that a fade darkens. */
function FadeShape({ side, px }: { side: "start" | "end"; px: number }) {
  return px > 0 ? <span class={`editor-fade editor-fade-${side}`} style={{ width: `${px}px` }} aria-hidden="true" /> : null;
}

function volumeNote(clip: Clip): string {
  const db = gainOf(clip);
  if (db === 0) return "";
  return db <= SILENT_DB ? " · silent" : ` · ${db > 0 ? "+" : ""}${db} dB`;
}

/** Return the free start nearest to the clip's own, because clips of a track may not overlap. */
function findFreeStart(clip: Clip, track: Track): number {
  const others = playing(track).filter((other) => other.id !== clip.id);
  const isFree = (start: number) =>
    start >= 0 && others.every((other) => endOf(other) <= start || other.start_ms >= start + clip.duration_ms);
  const starts = [clip.start_ms, ...others.flatMap((other) => [endOf(other), other.start_ms - clip.duration_ms])];
  const distance = (start: number) => Math.abs(start - clip.start_ms);
  return starts.filter(isFree).sort((a, b) => distance(a) - distance(b))[0] ?? clip.start_ms;
}

function focusBeside({ key, currentTarget }: KeyboardEvent): void {
  const clip = currentTarget as HTMLElement;
  const beside = key === "ArrowRight" ? clip.nextElementSibling : clip.previousElementSibling;
  (beside as HTMLElement | null)?.focus();
}

/** The stills and the waveform of the visible part. */
function Painting({ store, clip, view, pictures, painted }: Omit<Props, "track">) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const latest = useSignal(clip);
  latest.value = clip;
  useSignalEffect(() => {
    void painted.value;
    const [now, scale] = [latest.value, view.pixelsPerMs.value];
    const media = store.media.value.get(now.media_file_id);
    const margin = view.widthPx.value / 2;
    const from = Math.max(now.start_ms, (view.leftPx.value - margin) / scale);
    const until = Math.min(endOf(now), (view.leftPx.value + view.widthPx.value + margin) / scale);
    if (!canvas.current || !media || until <= from) return;
    canvas.current.style.left = `${(from - now.start_ms) * scale}px`;
    canvas.current.style.width = `${(until - from) * scale}px`;
    paint(canvas.current, now, media, pictures, [from, until], scale);
  });
  return <canvas ref={canvas} aria-hidden="true" />;
}
