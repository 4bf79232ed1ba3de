/** The studio: one page on the API. */

import { render } from "preact";
import { App } from "./shell/App";
import { start } from "./shell/session";
import { applyTheme } from "./shell/theme";

applyTheme();
const root = document.getElementById("studio")!;
start().then(
  () => {
    root.replaceChildren();
    render(<App />, root);
  },
  (error: unknown) => {
    root.textContent = `The studio cannot start: ${error instanceof Error ? error.message : error}`;
  },
);
