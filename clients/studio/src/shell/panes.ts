/** Sizes of the panes around the player, in pixels; remembered in this browser. */

import { signal } from "@preact/signals";

const STORAGE_KEY = "auteur.panes";

/** Least, greatest and first size of each pane. */
export const PANES = {
  media: [200, 560, 280],
  side: [280, 680, 350],
  transcript: [220, 900, 312],
  timeline: [160, 720, 320],
} as const;

export type PaneName = keyof typeof PANES;
type Sizes = Record<PaneName, number>;

export const paneSizes = signal<Sizes>(read());

export function setPaneSize(name: PaneName, pixels: number): void {
  paneSizes.value = { ...paneSizes.value, [name]: limit(name, pixels) };
  localStorage.setItem(STORAGE_KEY, JSON.stringify(paneSizes.value));
}

function limit(name: PaneName, pixels: number): number {
  const [least, greatest] = PANES[name];
  return Math.round(Math.min(Math.max(least, pixels), greatest));
}

function read(): Sizes {
  let stored: Partial<Sizes> = {};
  try {
    stored = JSON.parse(localStorage.getItem(STORAGE_KEY) ?? "{}") ?? {};
  } catch {
    // The first sizes are used.
  }
  const names = Object.keys(PANES) as PaneName[];
  return Object.fromEntries(names.map((name) => [name, limit(name, Number(stored[name]) || PANES[name][2])])) as Sizes;
}
