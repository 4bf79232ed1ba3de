/** The transcript: a click on a word seeks to it, deleting words cuts the video. */

import { useComputed, useSignal, useSignalEffect } from "@preact/signals";
import type { Operation } from "auteur-client";
import type { ComponentChildren, VNode } from "preact";
import { Icon } from "../shell/icons";
import { useEffect, useMemo, useRef } from "preact/hooks";
import type { EditorStore } from "./store";
import { findVisibleClip } from "./playback";
import { clock, indexOf, type PlacedWord, sourceAt, timelineAt, wordAt, wordsOf } from "./timing";
import type { Segment } from "./types";

/** The positions of the first and the last selected word. */
type Range = readonly [number, number];

const NOW = "editor-now";
const FORWARD: Record<string, number> = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: 12, ArrowUp: -12 };

interface TranscriptProps {
  store: EditorStore;
  offer: ComponentChildren;
}

export function Transcript({ store, offer }: TranscriptProps) {
  const segments = useComputed(() => (store.edl.value?.transcript.segments ?? []).filter((segment) => !segment.deleted));
  const words = useComputed(() => wordsOf(segments.value));
  const range = useSignal<Range | null>(null);
  const anchor = useRef(0);
  const box = useRef<HTMLDivElement>(null);
  useCurrentWord(store, words, box);
  useSelection(box, range, words);

  const mark = (first: number, last: number) => {
    range.value = [first, last];
    select(box.current!, first, last);
  };
  const goTo = (position: number) => {
    const placed = words.value[position];
    if (!placed) return;
    const { segment, word } = placed;
    const at = timelineAt(store.edl.value!, segment.media_file_id, word.start_ms, store.playheadMs.value);
    if (at !== null) store.seek(at);
  };
  const cut = (mode: "delete_words" | "restore_words") => {
    if (!range.value) return;
    const [first, last] = range.value;
    store.apply(operations(mode, words.value.slice(first, last + 1)));
  };
  const areDeleted = useComputed(() => {
    const [first, last] = range.value ?? [0, -1];
    return first <= last && words.value.slice(first, last + 1).every(({ word }) => word.deleted);
  });
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === "Delete" || event.key === "Backspace") cut(areDeleted.value ? "restore_words" : "delete_words");
    else if (event.key in FORWARD && words.value.length && !event.ctrlKey && !event.metaKey && !event.altKey) {
      move(event);
    } else if (event.key === "Enter" && range.value) goTo(range.value[0]);
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  const move = ({ key, shiftKey }: KeyboardEvent) => {
    const isMirrored = getComputedStyle(wordElement(box.current!, range.value?.[0] ?? 0)!).direction === "rtl";
    const step = FORWARD[key]! * (isMirrored && Math.abs(FORWARD[key]!) === 1 ? -1 : 1);
    const [first, last] = range.value ?? [0, 0];
    if (!shiftKey || !range.value) anchor.current = first;
    const moving = shiftKey && last > anchor.current ? last : first;
    const to = Math.min(Math.max(0, (!shiftKey && step > 0 ? last : moving) + step), words.value.length - 1);
    if (!shiftKey) anchor.current = to;
    mark(Math.min(anchor.current, to), Math.max(anchor.current, to));
    wordElement(box.current!, to)?.scrollIntoView({ block: "nearest" });
    if (!shiftKey) goTo(to);
  };
  const onClick = (event: MouseEvent) => {
    const position = findPosition(event.target as Node);
    if (position === null || event.shiftKey || !(getSelection()?.isCollapsed ?? true)) return;
    mark(position, position);
    anchor.current = position;
    goTo(position);
  };
  const count = range.value ? range.value[1] - range.value[0] + 1 : 0;
  return (
    <section class="editor-transcript" aria-label="Transcript">
      <div class="editor-words-bar">
        <button type="button" disabled={!count} onClick={() => cut(areDeleted.value ? "restore_words" : "delete_words")}>
          <Icon name={areDeleted.value ? "retry" : "scissors"} /> {areDeleted.value ? "Restore" : "Cut"} {count || ""} {count === 1 ? "word" : "words"}
        </button>
        {count === 1 && <Correction key={range.value![0]} store={store} placed={words.value[range.value![0]]!} />}
      </div>
      {offer}
      {words.value.length ? (
        <div
          class="editor-words"
          ref={box}
          role="group"
          tabIndex={0}
          aria-label="Words. Arrow keys go from word to word, with Shift they select, Delete cuts."
          onKeyDown={onKeyDown}
          onClick={onClick}
        >
          <Segments segments={segments.value} store={store} />
        </div>
      ) : (
        <p class="editor-empty">The words of the video appear here. Delete words to cut it.</p>
      )}
    </section>
  );
}

/** The segments as paragraphs; those that an edit does not change are not rendered again. */
function Segments({ segments, store }: { segments: readonly Segment[]; store: EditorStore }) {
  const cache = useMemo(() => new WeakMap<Segment, { position: number; node: VNode }>(), [store]);
  let position = 0;
  return (
    <>
      {segments.map((segment) => {
        const cached = cache.get(segment);
        const node = cached?.position === position ? cached.node : <Paragraph key={segment.id} segment={segment} first={position} />;
        cache.set(segment, { position, node });
        position += segment.words.length;
        return node;
      })}
    </>
  );
}

function Paragraph({ segment, first }: { segment: Segment; first: number }) {
  return (
    <p class="editor-segment" dir="auto" lang={segment.language ?? undefined}>
      <span class="editor-speaker" dir="auto">
        {segment.speaker} <time>{clock(segment.start_ms)}</time>
      </span>
      {segment.words.map((word, n) => (
        <>
          <span data-place={first + n} class={word.deleted ? "editor-word editor-cut" : "editor-word"}>
            {word.edited_word ?? word.word}
          </span>{" "}
        </>
      ))}
    </p>
  );
}

/** The form that corrects the text of a word. */
function Correction({ store, placed }: { store: EditorStore; placed: PlacedWord }) {
  const { segment, index, word } = placed;
  const save = (event: Event) => {
    event.preventDefault();
    const text = new FormData(event.target as HTMLFormElement).get("text");
    const newText = String(text).trim();
    if (!newText || newText === (word.edited_word ?? word.word)) return;
    store.apply([{ op: "edit_word", segment_id: segment.id, word: index, text: newText }]);
  };
  return (
    <form class="editor-correction" onSubmit={save}>
      <input name="text" dir="auto" maxLength={200} defaultValue={word.edited_word ?? word.word} aria-label="The word" />
      <button type="submit">Correct</button>
    </form>
  );
}

/** Mark the current word, and scroll to it while the film plays. */
function useCurrentWord(
  store: EditorStore,
  words: { value: readonly PlacedWord[] },
  box: { current: HTMLDivElement | null },
) {
  const marked = useRef<Element | null>(null);
  const index = useComputed(() => indexOf(words.value));
  useSignalEffect(() => {
    const ms = store.playheadMs.value;
    const clip = findAudibleClip(store, ms);
    const position = clip && wordAt(words.value, index.value, clip.media_file_id, sourceAt(clip, ms));
    const element = position == null || !box.current ? null : wordElement(box.current, position);
    if (element === marked.current && element?.classList.contains(NOW)) return;
    marked.current?.classList.remove(NOW);
    marked.current = element;
    element?.classList.add(NOW);
    if (store.playing.peek()) element?.scrollIntoView({ block: "nearest" });
  });
}

/** Return the clip whose words are heard at a time. */
export function findAudibleClip(store: EditorStore, ms: number) {
  const tracks = store.edl.value?.tracks ?? [];
  return findVisibleClip(tracks, ms) ?? tracks.flatMap((track) => track.clips).find((clip) => !clip.deleted && clip.start_ms <= ms && ms < clip.start_ms + clip.duration_ms);
}

/** Follow the browser's selection, which works by mouse, touch and keys, and can be copied. */
function useSelection(
  box: { current: HTMLDivElement | null },
  range: { value: Range | null },
  words: { value: readonly PlacedWord[] },
) {
  useEffect(() => {
    const read = () => {
      const selection = getSelection();
      if (!selection?.anchorNode || !box.current?.contains(selection.anchorNode)) return;
      const positions = [selection.anchorNode, selection.focusNode].map((node) => node && findPosition(node));
      if (positions.some((position) => position === null || position === undefined)) return;
      const [a, b] = positions as number[];
      range.value = [Math.min(a!, b!), Math.min(Math.max(a!, b!), words.value.length - 1)];
    };
    document.addEventListener("selectionchange", read);
    return () => document.removeEventListener("selectionchange", read);
  }, []);
}

function select(box: HTMLElement, first: number, last: number): void {
  const [from, to] = [wordElement(box, first), wordElement(box, last)];
  if (from && to) getSelection()?.setBaseAndExtent(from, 0, to, to.childNodes.length);
}

function wordElement(box: HTMLElement, position: number): Element | null {
  return box.querySelector(`[data-place="${position}"]`);
}

/** Return the position of the word that contains a node or precedes it. */
function findPosition(node: Node): number | null {
  const element = node instanceof Element ? node : node.parentElement;
  const word = element?.closest("[data-place]") ?? (node instanceof Text ? node.previousElementSibling : null);
  const position = (word as HTMLElement | null)?.dataset.place;
  return position === undefined ? null : Number(position);
}

/** Return one operation for each run of consecutive words of a segment. */
function operations(op: "delete_words" | "restore_words", placed: readonly PlacedWord[]): Operation[] {
  const result: { op: typeof op; segment_id: string; first: number; last: number }[] = [];
  for (const { segment, index, word } of placed) {
    if (Boolean(word.deleted) === (op === "delete_words")) continue;
    const open = result.at(-1);
    if (open && open.segment_id === segment.id && open.last === index - 1) open.last = index;
    else result.push({ op, segment_id: segment.id, first: index, last: index });
  }
  return result;
}
