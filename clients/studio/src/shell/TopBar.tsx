/** The bar at the top: project name, connection, credits, theme, help and account. */

import { signal } from "@preact/signals";
import { isCreditsOpen } from "../panels/Credits";
import { isHelpOpen } from "../panels/Help";
import type { ProjectStore } from "./project";
import { balance } from "./account";
import { attempt, isAway } from "./connection";
import { credits } from "./format";
import { Icon } from "./icons";
import { Menu } from "./Menu";
import { email, signOut } from "./session";
import { theme, toggleTheme } from "./theme";

/** The project that is open, for its name. */
export const openStore = signal<ProjectStore | null>(null);

const THEMES = { system: "same as the system", dark: "dark", light: "light" };

export function TopBar() {
  const store = openStore.value;
  return (
    <header class="top">
      <a class="brand" href="#/"><span class="logo" aria-hidden="true" />Auteur</a>
      {store && <ProjectName key={store.id} store={store} />}
      <span class="spring" />
      <span class={`link-state ${isAway.value ? "away" : ""}`} role="status">
        {isAway.value ? "Offline" : "Live"}
      </span>
      <button type="button" class="quiet" onClick={() => (isCreditsOpen.value = true)}>
        <Icon name="coin" /> {balance.value === null ? "Credits" : credits(balance.value)}
      </button>
      <button
        type="button"
        class="icon"
        aria-label={`Theme: ${THEMES[theme.value]}`}
        title={`Theme: ${THEMES[theme.value]}`}
        onClick={toggleTheme}
      >
        <Icon name={theme.value === "light" ? "sun" : "moon"} />
      </button>
      <button type="button" class="icon" aria-label="Help and keys" title="Help and keys (?)" onClick={() => (isHelpOpen.value = true)}>
        <Icon name="help" />
      </button>
      <Menu label="Account" icon="user">
        <p class="muted">{email.value}</p>
        <button type="button" onClick={signOut}>Sign out</button>
      </Menu>
    </header>
  );
}

function ProjectName({ store }: { store: ProjectStore }) {
  const name = store.project.value?.name ?? "";
  const rename = (event: Event) => {
    const input = event.currentTarget as HTMLInputElement;
    const newName = input.value.trim();
    if (newName && newName !== name) void attempt(() => store.rename(newName));
    else input.value = name;
  };
  return (
    <label class="project-name">
      <span class="hidden">Name of the project</span>
      <input
        value={name}
        maxLength={255}
        onChange={rename}
        onKeyDown={(event) => event.key === "Enter" && event.currentTarget.blur()}
      />
    </label>
  );
}
