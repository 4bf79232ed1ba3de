/** Sets the theme: the system's, until the user chooses one. */

import { effect, signal } from "@preact/signals";

type Theme = "system" | "dark" | "light";

const KEPT = "auteur.theme";
const NEXT: Record<Theme, Theme> = { system: "dark", dark: "light", light: "system" };

export const theme = signal<Theme>((localStorage.getItem(KEPT) as Theme | null) ?? "system");

export function applyTheme(): void {
  effect(() => {
    document.documentElement.dataset.theme = theme.value;
    localStorage.setItem(KEPT, theme.value);
  });
}

export function toggleTheme(): void {
  theme.value = NEXT[theme.value] ?? "system";
}
