/** Sets the theme: the system's, until the user chooses one. */

import { effect, signal } from "@preact/signals";

type Theme = "system" | "dark" | "light";

const STORAGE_KEY = "auteur.theme";
const NEXT: Record<Theme, Theme> = { system: "dark", dark: "light", light: "system" };

export const theme = signal<Theme>((localStorage.getItem(STORAGE_KEY) as Theme | null) ?? "system");

export function applyTheme(): void {
  effect(() => {
    document.documentElement.dataset.theme = theme.value;
    localStorage.setItem(STORAGE_KEY, theme.value);
  });
}

export function toggleTheme(): void {
  theme.value = NEXT[theme.value] ?? "system";
}
