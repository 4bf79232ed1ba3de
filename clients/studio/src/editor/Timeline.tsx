/** Tracks and clips in time: dragged, trimmed and split, by pointer or by keys. */

import { type Signal, useComputed, useSignal, useSignalEffect } from "@preact/signals";
import { useEffect, useMemo, useRef } from "preact/hooks";
import { Icon } from "../shell/icons";
import { ClipBar } from "./ClipBar";
import { ClipView } from "./ClipView";
import { Pictures } from "./drawing";
import type { EditorStore } from "./store";
import { clock, endOf, playing } from "./timing";
import type { Track } from "./types";

const LEAST_ZOOM = 0.0005;
const GREATEST_ZOOM = 1;
const STEP = 1.5;
const MARKS_APART = 90;
const MARKS_MS = [100, 500, 1000, 2000, 5000, 10_000, 30_000, 60_000, 300_000, 600_000, 3_600_000];
/** The empty space after the last clip, where others can be dropped. */
const ROOM_PX = 240;

/** The visible part of the timeline, and its scale. */
export interface View {
  pixelsPerMs: Signal<number>;
  leftPx: Signal<number>;
  widthPx: Signal<number>;
}

export function Timeline({ store }: { store: EditorStore }) {
  const view: View = { pixelsPerMs: useSignal(0.05), leftPx: useSignal(0), widthPx: useSignal(0) };
  const painted = useSignal(0);
  const pictures = useMemo(() => new Pictures(() => painted.value++), []);
  const scroller = useRef<HTMLDivElement>(null);
  useSize(scroller, view);
  useColours(() => painted.value++);
  useFollow(store, view, scroller);
  const zoom = (factor: number) => zoomTo(view.pixelsPerMs.value * factor, store.playheadMs.value);
  const zoomTo = (pixelsPerMs: number, aroundMs: number) => {
    const x = aroundMs * view.pixelsPerMs.value - view.leftPx.value;
    view.pixelsPerMs.value = Math.min(Math.max(pixelsPerMs, LEAST_ZOOM), GREATEST_ZOOM);
    requestAnimationFrame(() => {
      if (scroller.current) scroller.current.scrollLeft = aroundMs * view.pixelsPerMs.value - x;
    });
  };
  const fit = () => zoomTo(view.widthPx.value / Math.max(1000, store.durationMs.value * 1.05), 0);
  const canFit = useComputed(() => store.durationMs.value > 0 && view.widthPx.value > 0);
  useEffect(() => {
    if (canFit.value) fit();
  }, [canFit.value]);
  useWheel(scroller, (factor, x) => {
    zoomTo(view.pixelsPerMs.value * factor, (view.leftPx.value + x) / view.pixelsPerMs.value);
  });
  const tracks = inOrder(store.edl.value?.tracks ?? []);
  const width = Math.max(view.widthPx.value, store.durationMs.value * view.pixelsPerMs.value + ROOM_PX);
  return (
    <section class="editor-timeline" aria-label="Timeline">
      <div class="editor-tracks">
        <ul class="editor-names" aria-hidden="true">
          {tracks.map((track) => (
            <li key={track.id} title={track.name}>{track.name}</li>
          ))}
        </ul>
        <div
          class="editor-scroller"
          ref={scroller}
          onScroll={(event) => (view.leftPx.value = event.currentTarget.scrollLeft)}
        >
          <div class="editor-length" style={{ width: `${width}px` }}>
            <Ruler store={store} view={view} />
            {tracks.map((track) => (
              <TrackView key={track.id} store={store} track={track} view={view} pictures={pictures} painted={painted} />
            ))}
            <Playhead store={store} view={view} />
          </div>
        </div>
      </div>
      <div class="editor-footer">
        <ClipBar store={store} />
        <div class="editor-zoom">
          <button type="button" onClick={() => zoom(1 / STEP)} aria-label="Zoom out"><Icon name="minus" /></button>
          <button type="button" onClick={() => zoom(STEP)} aria-label="Zoom in"><Icon name="plus" /></button>
          <button type="button" onClick={fit}>Fit</button>
        </div>
      </div>
    </section>
  );
}

/** Order tracks as they cover each other: the topmost video first, sound last. */
function inOrder(tracks: readonly Track[]): Track[] {
  const films = tracks.filter((track) => track.type === "video").reverse();
  return [...films, ...tracks.filter((track) => track.type === "audio")];
}

interface TrackProps {
  store: EditorStore;
  track: Track;
  view: View;
  pictures: Pictures;
  painted: Signal<number>;
}

/** The visible clips, and those next to them, which the Tab key can reach. */
function TrackView({ store, track, view, pictures, painted }: TrackProps) {
  const scale = view.pixelsPerMs.value;
  const margin = view.widthPx.value / 2;
  const from = (view.leftPx.value - margin) / scale;
  const until = (view.leftPx.value + view.widthPx.value + margin) / scale;
  const clips = playing(track).filter((clip) => endOf(clip) > from && clip.start_ms < until);
  return (
    <div class="editor-track" data-track={track.id} data-type={track.type} role="group" aria-label={`Track ${track.name}`}>
      {clips.map((clip) => (
        <ClipView key={clip.id} {...{ store, clip, track, view, pictures, painted }} />
      ))}
    </div>
  );
}

/** The time scale; a press or an arrow key moves the playhead. */
function Ruler({ store, view }: { store: EditorStore; view: View }) {
  const scale = view.pixelsPerMs.value;
  const apart = MARKS_MS.find((ms) => ms * scale >= MARKS_APART) ?? MARKS_MS.at(-1)!;
  const first = Math.floor(view.leftPx.value / scale / apart);
  const count = Math.ceil(view.widthPx.value / scale / apart) + 2;
  const seek = (event: PointerEvent) => {
    const box = (event.currentTarget as Element).getBoundingClientRect();
    store.seek((event.clientX - box.left) / view.pixelsPerMs.value);
  };
  const press = (event: PointerEvent) => {
    (event.currentTarget as Element).setPointerCapture(event.pointerId);
    seek(event);
  };
  const drag = (event: PointerEvent) => {
    if ((event.currentTarget as Element).hasPointerCapture(event.pointerId)) seek(event);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const frame = 1000 / (store.edl.value?.settings.frame_rate || 30);
    const step = event.shiftKey ? 1000 : frame;
    const to = {
      ArrowRight: store.playheadMs.value + step,
      ArrowLeft: store.playheadMs.value - step,
      Home: 0,
      End: store.durationMs.value,
    }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    store.seek(to);
  };
  return (
    <div
      class="editor-ruler"
      role="slider"
      tabIndex={0}
      aria-label="Playhead"
      aria-valuemin={0}
      aria-valuemax={Math.round(store.durationMs.value)}
      aria-valuenow={Math.round(store.playheadMs.value)}
      aria-valuetext={clock(store.playheadMs.value)}
      onPointerDown={press}
      onPointerMove={drag}
      onKeyDown={onKeyDown}
    >
      {Array.from({ length: count }, (_, n) => (first + n) * apart).map((ms) => (
        <span key={ms} style={{ left: `${ms * scale}px` }}>{clock(ms)}</span>
      ))}
    </div>
  );
}

function Playhead({ store, view }: { store: EditorStore; view: View }) {
  const line = useRef<HTMLDivElement>(null);
  useSignalEffect(() => {
    const x = store.playheadMs.value * view.pixelsPerMs.value;
    if (line.current) line.current.style.transform = `translateX(${x}px)`;
  });
  return <div class="editor-playhead" ref={line} aria-hidden="true" />;
}

function useSize(scroller: { current: HTMLDivElement | null }, view: View) {
  useEffect(() => {
    const observer = new ResizeObserver(([entry]) => (view.widthPx.value = entry!.contentRect.width));
    observer.observe(scroller.current!);
    return () => observer.disconnect();
  }, []);
}

/** Return a counter of theme changes, after which canvases are painted again. */
function useColours(onChange: () => void) {
  useEffect(() => {
    const system = matchMedia("(prefers-color-scheme: dark)");
    const chosen = new MutationObserver(onChange);
    system.addEventListener("change", onChange);
    chosen.observe(document.documentElement, { attributeFilter: ["data-theme"] });
    return () => {
      system.removeEventListener("change", onChange);
      chosen.disconnect();
    };
  }, []);
}

/** Scroll to the playhead when it leaves the visible part. */
function useFollow(store: EditorStore, view: View, scroller: { current: HTMLDivElement | null }) {
  useSignalEffect(() => {
    const x = store.playheadMs.value * view.pixelsPerMs.peek();
    const [left, width] = [view.leftPx.peek(), view.widthPx.peek()];
    if (scroller.current && (x < left || x > left + width)) {
      scroller.current.scrollLeft = x - width * 0.1;
    }
  });
}

/** Zoom around the pointer by the wheel with Ctrl. */
function useWheel(scroller: { current: HTMLDivElement | null }, zoom: (factor: number, x: number) => void) {
  const latest = useRef(zoom);
  latest.current = zoom;
  useEffect(() => {
    const turn = (event: WheelEvent) => {
      if (!event.ctrlKey && !event.metaKey) return;
      event.preventDefault();
      latest.current(2 ** (-event.deltaY / 200), event.clientX - scroller.current!.getBoundingClientRect().left);
    };
    const element = scroller.current!;
    element.addEventListener("wheel", turn, { passive: false });
    return () => element.removeEventListener("wheel", turn);
  }, []);
}
