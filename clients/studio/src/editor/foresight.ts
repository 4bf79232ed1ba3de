/** Applies simple edits before the server has answered. */

import type { Edl, Operation } from "auteur-client";
import { DEFAULT_STYLE } from "./captions";
import { speedOf } from "./timing";
import type { Clip, Segment, Track } from "./types";

type Op<K extends Operation["op"]> = Extract<Operation, { op: K }>;

export function applyEarly(edl: Edl, operations: readonly Operation[]): Edl {
  return operations.reduce(applyOperation, edl);
}

function applyOperation(edl: Edl, operation: Operation): Edl {
  switch (operation.op) {
    case "add_track":
      return withNewTrack(edl, operation);
    case "add_clip":
      return withNewClip(edl, operation);
    case "set_effect":
      return withEffects(edl, operation.clip_id, operation.effect.type, [operation.effect]);
    case "remove_effect":
      return withEffects(edl, operation.clip_id, operation.type, []);
    case "set_captions_style":
      return { ...edl, captions_style: operation.style && { ...DEFAULT_STYLE, ...operation.style } };
    case "move_clip":
      return moveClip(edl, operation);
    case "trim_clip":
      return withClip(edl, operation.clip_id, (clip) => trimClip(clip, operation));
    case "delete_clip":
      return withClip(edl, operation.clip_id, (clip) => ({ ...clip, deleted: true }));
    case "delete_words":
      return markWords(edl, operation, true);
    case "restore_words":
      return markWords(edl, operation, false);
    case "edit_word":
      return withSegment(edl, operation.segment_id, (segment) => ({
        ...segment,
        words: segment.words.map((word, n) =>
          n === operation.word ? { ...word, edited_word: operation.text } : word,
        ),
      }));
    default:
      return edl;
  }
}

function withNewTrack(edl: Edl, { track_id, type, name, index }: Op<"add_track">): Edl {
  if (!track_id) return edl;
  const track: Track = { id: track_id, type, name, clips: [] };
  return { ...edl, tracks: edl.tracks.toSpliced(index ?? edl.tracks.length, 0, track) };
}

function withNewClip(edl: Edl, operation: Op<"add_clip">): Edl {
  const { clip_id, track_id, media_file_id, start_ms, in_point_ms = 0, out_point_ms, effects = [] } = operation;
  if (!clip_id || start_ms == null || out_point_ms == null) return edl;
  const duration_ms = out_point_ms - in_point_ms;
  const placed = { id: clip_id, media_file_id, track_id, start_ms, duration_ms, in_point_ms, out_point_ms };
  const clip: Clip = { ...placed, effects, deleted: false, offline: false };
  const tracks = edl.tracks.map((track) =>
    track.id === track_id ? { ...track, clips: [...track.clips, clip] } : track,
  );
  return { ...edl, tracks };
}

/** Replace the effects of one type, unless they change when the clip plays. */
function withEffects(edl: Edl, clip_id: string, type: string, effects: Clip["effects"]): Edl {
  if (type === "speed" || type === "cross_fade") return edl;
  return withClip(edl, clip_id, (clip) => {
    const others = clip.effects.filter((effect) => effect.type !== type);
    return { ...clip, effects: [...others, ...effects] };
  });
}

function moveClip(edl: Edl, { clip_id, start_ms, track_id }: Op<"move_clip">): Edl {
  const clip = edl.tracks.flatMap((track) => track.clips).find((clip) => clip.id === clip_id);
  if (!clip) return edl;
  const target = track_id ?? clip.track_id;
  const there = { ...clip, start_ms, track_id: target };
  const tracks = edl.tracks.map((track) => {
    const others = track.clips.filter((other) => other.id !== clip_id);
    if (track.id === target) return { ...track, clips: [...others, there] };
    return others.length === track.clips.length ? track : { ...track, clips: others };
  });
  return { ...edl, tracks };
}

/** Return a clip with other in and out points; its remaining frames keep their times. */
export function trimClip(clip: Clip, to: Pick<Op<"trim_clip">, "in_point_ms" | "out_point_ms" | "start_ms">): Clip {
  const speed = speedOf(clip);
  const in_point_ms = to.in_point_ms ?? clip.in_point_ms;
  const out_point_ms = to.out_point_ms ?? clip.out_point_ms;
  const start_ms = to.start_ms ?? clip.start_ms + (in_point_ms - clip.in_point_ms) / speed;
  const duration_ms = Math.round((out_point_ms - in_point_ms) / speed);
  return { ...clip, in_point_ms, out_point_ms, start_ms: Math.round(start_ms), duration_ms };
}

function markWords(edl: Edl, { segment_id, first, last }: Op<"delete_words" | "restore_words">, deleted: boolean): Edl {
  return withSegment(edl, segment_id, (segment) => ({
    ...segment,
    words: segment.words.map((word, n) =>
      n >= first && n <= (last ?? first) ? { ...word, deleted } : word,
    ),
  }));
}

function withClip(edl: Edl, id: string, change: (clip: Clip) => Clip): Edl {
  const tracks = edl.tracks.map((track) =>
    track.clips.some((clip) => clip.id === id)
      ? { ...track, clips: track.clips.map((clip) => (clip.id === id ? change(clip) : clip)) }
      : track,
  );
  return { ...edl, tracks };
}

function withSegment(edl: Edl, id: string, change: (segment: Segment) => Segment): Edl {
  const segments = edl.transcript.segments.map((segment) => (segment.id === id ? change(segment) : segment));
  return { ...edl, transcript: { ...edl.transcript, segments } };
}
