/** The keyboard shortcuts, and where to read more. */

import { signal } from "@preact/signals";
import { Dialog } from "../shell/Dialog";

export const isHelpOpen = signal(false);

const KEYS = [
  ["Space", "play or pause"],
  ["F", "full screen"],
  ["← →", "on the ruler: one frame back or forward, with Shift one second"],
  ["← →", "in the transcript: one word back or forward; Shift selects"],
  ["← → ↑ ↓", "on a bar between panes: resize"],
  ["Delete", "cut or restore the selected words; delete clips"],
  ["S", "split the clip at the playhead"],
  ["Alt ← →", "move the clip by one frame, with Shift by one second"],
  ["[ ]", "trim the clip to the playhead"],
  ["Ctrl Z, Ctrl Shift Z", "undo, redo"],
  ["?", "show this list"],
  ["Esc", "close a dialog"],
] as const;

addEventListener("keydown", (event) => {
  const isTyping = event.target instanceof Element && event.target.closest("input, textarea, select, [contenteditable]");
  if (event.key === "?" && !isTyping) isHelpOpen.value = true;
});

export function HelpDialog() {
  if (!isHelpOpen.value) return null;
  return (
    <Dialog title="Keyboard shortcuts" class="narrow" onClose={() => (isHelpOpen.value = false)}>
      <dl class="keys">
        {KEYS.map(([key, what]) => (
          <div key={what}>
            <dt><kbd>{key}</kbd></dt>
            <dd>{what}</dd>
          </div>
        ))}
      </dl>
      <p class="aside muted">
        The studio uses the public API only: <a href="/docs">API reference</a>, <a href="/help/">documentation</a>.
      </p>
    </Dialog>
  );
}
