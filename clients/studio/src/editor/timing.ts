/** Converts between times of the timeline and times of its files, in milliseconds. */

import type { Edl } from "auteur-client";
import type { Clip, Segment, Track, Word } from "./types";

export function speedOf(clip: Clip): number {
  return (clip.out_point_ms - clip.in_point_ms) / clip.duration_ms;
}

export function endOf(clip: Clip): number {
  return clip.start_ms + clip.duration_ms;
}

/** The clips that play, by time. */
export function playing(track: Track): Clip[] {
  return track.clips.filter((clip) => !clip.deleted).sort((a, b) => a.start_ms - b.start_ms);
}

export function clipAt(track: Track, ms: number): Clip | undefined {
  return playing(track).find((clip) => clip.start_ms <= ms && ms < endOf(clip));
}

export function clipById(edl: Edl | null, id: string): Clip | undefined {
  for (const track of edl?.tracks ?? []) {
    const match = track.clips.find((clip) => clip.id === id);
    if (match) return match;
  }
  return undefined;
}

export function durationOf(edl: Edl): number {
  return Math.max(0, ...edl.tracks.flatMap((track) => playing(track).map(endOf)));
}

/** Return the time of the file that a clip plays at a time of the timeline. */
export function sourceAt(clip: Clip, ms: number): number {
  return clip.in_point_ms + (ms - clip.start_ms) * speedOf(clip);
}

/** Return when the timeline plays a time of a file: the time nearest to `near`. */
export function timelineAt(edl: Edl, mediaId: string, ms: number, near = 0): number | null {
  let best: number | null = null;
  for (const track of edl.tracks) {
    for (const clip of track.clips) {
      const isHere = clip.in_point_ms <= ms && ms < clip.out_point_ms;
      if (clip.deleted || clip.media_file_id !== mediaId || !isHere) continue;
      const at = clip.start_ms + (ms - clip.in_point_ms) / speedOf(clip);
      if (best === null || Math.abs(at - near) < Math.abs(best - near)) best = at;
    }
  }
  return best;
}

/** A word with its segment and its index. */
export interface PlacedWord {
  segment: Segment;
  index: number;
  word: Word;
}

/** Return all words of a transcript in reading order. */
export function wordsOf(segments: readonly Segment[]): PlacedWord[] {
  return segments.flatMap((segment) =>
    segment.words.map((word, index) => ({ segment, index, word })),
  );
}

/** Return the positions of words by file, in order of time. */
export type WordIndex = Map<string, number[]>;

export function indexOf(words: readonly PlacedWord[]): WordIndex {
  const index: WordIndex = new Map();
  words.forEach(({ segment }, position) => {
    const positions = index.get(segment.media_file_id);
    if (positions) positions.push(position);
    else index.set(segment.media_file_id, [position]);
  });
  for (const positions of index.values()) {
    positions.sort((a, b) => words[a]!.word.start_ms - words[b]!.word.start_ms);
  }
  return index;
}

/** Return the position of the word that a file says at a time, or the one before. */
export function wordAt(
  words: readonly PlacedWord[],
  index: WordIndex,
  mediaId: string,
  ms: number,
): number | null {
  const positions = index.get(mediaId) ?? [];
  let low = 0;
  let high = positions.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (words[positions[middle]!]!.word.start_ms <= ms) low = middle + 1;
    else high = middle;
  }
  return positions[low - 1] ?? null;
}

/** Return a time as text: 1:02:03.4. */
export function clock(ms: number): string {
  const tenths = Math.floor(Math.max(0, ms) / 100);
  const [seconds, minutes, hours] = [Math.floor(tenths / 10) % 60, Math.floor(tenths / 600) % 60, Math.floor(tenths / 36000)];
  const two = (n: number) => String(n).padStart(2, "0");
  const start = hours ? `${hours}:${two(minutes)}` : String(minutes);
  return `${start}:${two(seconds)}.${tenths % 10}`;
}
