import type { Operation } from "auteur-client";
import type { EditorStore } from "./store";
import { clipById, endOf } from "./timing";

export function Toolbar({ store }: { store: EditorStore }) {
  const hasClips = store.selection.value.clipIds.length > 0;
  const hasWords = (store.edl.value?.transcript.segments.length ?? 0) > 0;
  return (
    <div class="editor-toolbar" role="toolbar" aria-label="Edit">
      <button type="button" onClick={() => store.undo()} disabled={!store.canUndo.value} title="Undo (Ctrl+Z)">
        Undo
      </button>
      <button type="button" onClick={() => store.redo()} disabled={!store.canRedo.value} title="Redo (Ctrl+Shift+Z)">
        Redo
      </button>
      <span class="editor-divider" />
      <button type="button" onClick={() => split(store)} disabled={!splittable(store).length} title="Split at the playhead (S)">
        Split
      </button>
      <button type="button" onClick={() => remove(store, "gap")} disabled={!hasClips} title="Delete (Delete); with Shift the gap is closed">
        Delete
      </button>
      <span class="editor-divider" />
      <button type="button" onClick={() => store.apply([{ op: "cut_silences" }])} disabled={!hasWords}>
        Cut silences
      </button>
      <button type="button" onClick={() => store.apply([{ op: "cut_fillers" }])} disabled={!hasWords}>
        Cut fillers
      </button>
      <span class="editor-state" role="status">
        {stateOf(store)}
      </span>
    </div>
  );
}

function stateOf(store: EditorStore): string {
  const waiting = store.unsaved.value;
  if (store.conflict.value) return "";
  if (store.offline.value) return `Not saved: the server cannot be reached. ${waiting} to send.`;
  if (waiting) return "Saving …";
  return store.said.value || "Saved";
}

/** The clips to split: those selected at the playhead, or else all that play there. */
function splittable(store: EditorStore): string[] {
  const at = store.playheadMs.value;
  const clips = (store.edl.value?.tracks ?? [])
    .flatMap((track) => track.clips)
    .filter((clip) => !clip.deleted && clip.start_ms < at && at < endOf(clip));
  const selected = clips.filter((clip) => store.selection.value.clipIds.includes(clip.id));
  return (selected.length ? selected : clips).map((clip) => clip.id);
}

export function split(store: EditorStore): void {
  const at_ms = Math.round(store.playheadMs.value);
  store.apply(splittable(store).map((clip_id): Operation => ({ op: "split_clip", clip_id, at_ms })));
}

export function remove(store: EditorStore, mode: "gap" | "ripple"): void {
  const there = store.selection.value.clipIds.filter((id) => clipById(store.edl.value, id)?.deleted === false);
  store.apply(there.map((clip_id): Operation => ({ op: "delete_clip", clip_id, mode })));
  store.select([]);
}
