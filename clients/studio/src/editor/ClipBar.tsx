/** Volume and fades of the clips that are selected. */

import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { type Fade, fadeOf, fadeOperations, gainOf, SILENT_DB, volumeOperations } from "./effects";
import type { EditorStore } from "./store";
import { clipById } from "./timing";
import type { Clip } from "./types";

const LOUDEST_DB = 12;
const FADES: [Fade, string][] = [["fade_in", "Fade in"], ["fade_out", "Fade out"]];

export function ClipBar({ store }: { store: EditorStore }) {
  const clips = store.selection.value.clipIds
    .map((id) => clipById(store.edl.value, id))
    .filter((clip): clip is Clip => clip !== undefined && !clip.deleted);
  const [first] = clips;
  if (!first) return <p class="editor-hint">Select a clip to set its volume and fades.</p>;
  return (
    <div class="editor-clip-bar" role="group" aria-label="Clip">
      <Volume key={first.id} store={store} clips={clips} db={gainOf(first)} />
      {FADES.map(([fade, label]) => (
        <FadeLength key={`${first.id} ${fade}`} store={store} clips={clips} fade={fade} label={label} />
      ))}
    </div>
  );
}

interface FadeLengthProps {
  store: EditorStore;
  clips: Clip[];
  fade: Fade;
  label: string;
}

/** The length of a fade in seconds. What is being typed stays until the fade itself changes. */
function FadeLength({ store, clips, fade, label }: FadeLengthProps) {
  const input = useRef<HTMLInputElement>(null);
  const [first] = clips;
  const seconds = fadeOf(first!, fade) / 1000;
  useEffect(() => {
    input.current!.value = String(seconds);
  }, [seconds]);
  return (
    <label>
      {label}
      <input
        ref={input}
        type="number"
        min={0}
        max={first!.duration_ms / 1000}
        step={0.1}
        onChange={(event) => store.apply(fadeOperations(clips, fade, Number(event.currentTarget.value) * 1000))}
      />
      s
    </label>
  );
}

function Volume({ store, clips, db }: { store: EditorStore; clips: Clip[]; db: number }) {
  const draft = useSignal(db);
  useEffect(() => {
    draft.value = db;
  }, [db]);
  const words = draft.value <= SILENT_DB ? "Silent" : `${draft.value > 0 ? "+" : ""}${draft.value} dB`;
  return (
    <label>
      Volume
      <input
        type="range"
        min={SILENT_DB}
        max={LOUDEST_DB}
        step={1}
        value={draft.value}
        aria-valuetext={words}
        onInput={(event) => (draft.value = Number(event.currentTarget.value))}
        onChange={(event) => store.apply(volumeOperations(clips, Number(event.currentTarget.value)))}
      />
      <output>{words}</output>
    </label>
  );
}
