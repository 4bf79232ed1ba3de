/** Volume and fades of a clip: read from its effects, and set by operations. */

import type { Operation } from "auteur-client";
import type { Clip } from "./types";

export type Fade = "fade_in" | "fade_out";

/** The gain that makes a clip silent. */
export const SILENT_DB = -60;

/** Return the volume of a clip in decibels; 0 is unchanged. */
export function gainOf(clip: Clip): number {
  const effect = clip.effects.find(({ type }) => type === "gain");
  return effect && "db" in effect ? Number(effect.db) : 0;
}

/** Return the length of a fade in milliseconds; 0 without one. */
export function fadeOf(clip: Clip, fade: Fade): number {
  const effect = clip.effects.find(({ type }) => type === fade);
  return effect && "duration_ms" in effect ? Number(effect.duration_ms) : 0;
}

/** Return the operations that give clips a volume. */
export function volumeOperations(clips: readonly Clip[], db: number): Operation[] {
  return clips.flatMap((clip): Operation[] => {
    if (gainOf(clip) === db) return [];
    if (db === 0) return [{ op: "remove_effect", clip_id: clip.id, type: "gain" }];
    return [{ op: "set_effect", clip_id: clip.id, effect: { type: "gain", db } }];
  });
}

/** Return the operations that give clips a fade, no longer than the clip. */
export function fadeOperations(clips: readonly Clip[], fade: Fade, ms: number): Operation[] {
  return clips.flatMap((clip): Operation[] => {
    const duration_ms = Math.min(Math.round(ms), clip.duration_ms);
    if (fadeOf(clip, fade) === duration_ms) return [];
    if (duration_ms <= 0) return [{ op: "remove_effect", clip_id: clip.id, type: fade }];
    return [{ op: "set_effect", clip_id: clip.id, effect: { type: fade, duration_ms, offset_ms: 0 } }];
  });
}
