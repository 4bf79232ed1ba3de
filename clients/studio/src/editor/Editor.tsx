/** The editor of one project: player, transcript and timeline. */

import type { Auteur } from "auteur-client";
import type { ComponentChildren } from "preact";
import { useEffect } from "preact/hooks";
import { Splitter } from "../shell/Splitter";
import { Player, toggleFullscreen, togglePlaying } from "./Player";
import type { EditorStore } from "./store";
import { Timeline } from "./Timeline";
import { remove, split, Toolbar } from "./Toolbar";
import { Transcript } from "./Transcript";

export interface EditorProps {
  client: Auteur;
  projectId: string;
  store: EditorStore;
  notify: (error: unknown) => void;
  /** Shown above the transcript: what can be transcribed. */
  offer: ComponentChildren;
}

const TYPING = "input, textarea, select, [contenteditable], dialog";

export function Editor({ store, notify, offer }: EditorProps) {
  useEffect(() => {
    if (!store.edl.peek()) store.load().catch(notify);
  }, [store]);
  useEffect(() => {
    const warn = (event: BeforeUnloadEvent) => {
      if (store.unsaved.peek()) event.preventDefault();
    };
    const press = (event: KeyboardEvent) => onKey(event, store);
    addEventListener("beforeunload", warn);
    document.addEventListener("keydown", press);
    return () => {
      removeEventListener("beforeunload", warn);
      document.removeEventListener("keydown", press);
      store.playing.value = false;
    };
  }, [store]);
  if (!store.edl.value) return <p class="editor-empty">Opening the timeline …</p>;
  return (
    <div class="editor">
      <ConflictChoice store={store} />
      <div class="editor-upper">
        <Player store={store} />
        <Splitter pane="transcript" label="Width of the transcript" edge="left" />
        <Transcript store={store} offer={offer} />
      </div>
      <Splitter pane="timeline" label="Height of the timeline" edge="top" />
      <Toolbar store={store} />
      <Timeline store={store} />
    </div>
  );
}

function onKey(event: KeyboardEvent, store: EditorStore): void {
  const target = event.target as Element;
  if (event.defaultPrevented || event.altKey || target.closest(TYPING)) return;
  const isCommand = event.ctrlKey || event.metaKey;
  const key = event.key.toLowerCase();
  if (isCommand && key === "z") event.shiftKey ? store.redo() : store.undo();
  else if (isCommand && key === "y") store.redo();
  else if (isCommand) return;
  else if (key === " " && !target.closest("button, a, summary, [role=tab]")) togglePlaying(store);
  else if (key === "s") split(store);
  else if (key === "f") toggleFullscreen(document.querySelector(".editor-player")!);
  else if ((key === "delete" || key === "backspace") && store.selection.value.clipIds.length) {
    remove(store, event.shiftKey ? "ripple" : "gap");
  } else return;
  event.preventDefault();
}

function ConflictChoice({ store }: { store: EditorStore }) {
  if (!store.conflict.value) return null;
  const count = store.unsaved.value;
  const edits = count === 1 ? "Your last edit is" : `Your last ${count} edits are`;
  const action = count === 1 ? "my edit" : "my edits";
  return (
    <div class="editor-conflict" role="alert">
      <p>
        This project was changed elsewhere. {edits} not saved yet. The timeline shows the new version with{" "}
        {count === 1 ? "it" : "them"}.
      </p>
      <button type="button" onClick={() => store.resolveConflict("mine")}>
        Reapply {action}
      </button>
      <button type="button" onClick={() => store.resolveConflict("theirs")}>
        Discard {action}
      </button>
    </div>
  );
}
