/** Captions as a render burns them in: their style, and the lines that are shown at a time. */

import type { components, Edl } from "auteur-client";
import type { PlacedWord } from "./timing";

export type CaptionsStyle = components["schemas"]["CaptionsStyle"];

/** The style of timelines without their own. */
export const DEFAULT_STYLE: CaptionsStyle = {
  font: "sans",
  bold: false,
  size_percent: 4.5,
  color: "#FFFFFF",
  background_color: "#000000A0",
  outline_color: null,
  outline_percent: 6,
  position: "bottom",
  alignment: "center",
  max_lines: 2,
  max_line_length: 42,
  uppercase: false,
};

export function styleOf(edl: Edl | null): CaptionsStyle {
  return edl?.captions_style ?? DEFAULT_STYLE;
}

/** Return the lines of the caption that shows a word; none if the word is cut. */
export function linesAt(words: readonly PlacedWord[], position: number, style: CaptionsStyle): string[] {
  const current = words[position];
  if (!current || current.word.deleted) return [];
  const lines: { text: string; hasWord: boolean }[] = [];
  for (const word of current.segment.words) {
    if (word.deleted) continue;
    const text = word.edited_word ?? word.word;
    const line = lines.at(-1);
    const hasWord = word === current.word;
    if (line && line.text.length + 1 + text.length <= style.max_line_length) {
      line.text += ` ${text}`;
      line.hasWord ||= hasWord;
    } else lines.push({ text, hasWord });
  }
  const index = lines.findIndex((line) => line.hasWord);
  const first = index - (index % style.max_lines);
  return lines.slice(first, first + style.max_lines).map((line) => line.text);
}
