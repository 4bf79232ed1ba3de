import type { Operation } from "auteur-client";
import { Icon, type IconName } from "../shell/icons";
import type { EditorStore } from "./store";
import { clipById, endOf } from "./timing";

export function Toolbar({ store }: { store: EditorStore }) {
  const hasClips = store.selection.value.clipIds.length > 0;
  const hasWords = (store.edl.value?.transcript.segments.length ?? 0) > 0;
  return (
    <div class="editor-toolbar" role="toolbar" aria-label="Edit">
      <Tool icon="undo" label="Undo" help="Undo (Ctrl+Z)" isOff={!store.canUndo.value} onPress={() => store.undo()} />
      <Tool icon="redo" label="Redo" help="Redo (Ctrl+Shift+Z)" isOff={!store.canRedo.value} onPress={() => store.redo()} />
      <span class="editor-divider" />
      <Tool icon="scissors" label="Split" help="Split at the playhead (S)" isOff={!splittable(store).length} onPress={() => split(store)} />
      <Tool icon="trash" label="Delete" help="Delete (Delete); with Shift the gap is closed" isOff={!hasClips} onPress={() => remove(store, "gap")} />
      <span class="editor-divider" />
      <Tool icon="silences" label="Cut silences" help="Cut all pauses in the speech" isOff={!hasWords} onPress={() => store.apply([{ op: "cut_silences" }])} />
      <Tool icon="fillers" label="Cut fillers" help="Cut all filler words, such as um" isOff={!hasWords} onPress={() => store.apply([{ op: "cut_fillers" }])} />
      <span class="editor-state" role="status">
        {stateOf(store)}
      </span>
    </div>
  );
}

interface ToolProps {
  icon: IconName;
  label: string;
  help: string;
  isOff: boolean;
  onPress: () => void;
}

function Tool({ icon, label, help, isOff, onPress }: ToolProps) {
  return (
    <button type="button" class="tool" onClick={onPress} disabled={isOff} title={help}>
      <Icon name={icon} />
      <span class="tool-label">{label}</span>
    </button>
  );
}

function stateOf(store: EditorStore): string {
  const waiting = store.unsaved.value;
  if (store.conflict.value) return "";
  if (store.offline.value) return `Not saved: the server cannot be reached. ${waiting} to send.`;
  if (waiting) return "Saving …";
  return store.said.value || "Saved";
}

/** Return the clips to split: the selected ones at the playhead, or else all there. */
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
  const clipIds = store.selection.value.clipIds.filter((id) => clipById(store.edl.value, id)?.deleted === false);
  store.apply(clipIds.map((clip_id): Operation => ({ op: "delete_clip", clip_id, mode })));
  store.select([]);
}
