/** Reads the current page of the studio from the `#` part of the address. */

import { computed, signal } from "@preact/signals";

const hash = signal(location.hash);
addEventListener("hashchange", () => (hash.value = location.hash));

/** The project that is open; null: the list of all. */
export const openProjectId = computed(() => /^#\/projects\/([\w-]+)/.exec(hash.value)?.[1] ?? null);

export function addressOf(projectId: string): string {
  return `#/projects/${projectId}`;
}

export function openProject(projectId: string): void {
  location.hash = addressOf(projectId);
}
