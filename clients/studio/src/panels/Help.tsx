/** The keys, and where to read more. */

import { signal } from "@preact/signals";
import { Dialog } from "../shell/Dialog";

export const isHelpOpen = signal(false);

const KEYS = [
  ["Space", "play and pause"],
  ["← →", "on the ruler a frame back or on, with Shift a second"],
  ["← →", "in the transcript a word back or on; Shift selects"],
  ["Delete", "cut the selected words, or bring them back; remove clips"],
  ["S", "split the clip at the playhead"],
  ["Alt ← →", "move the clip by a frame, with Shift by a second"],
  ["[ ]", "trim the clip to the playhead"],
  ["Ctrl Z, Ctrl Shift Z", "undo, redo"],
  ["?", "this list"],
  ["Esc", "close what lies over the page"],
] as const;

addEventListener("keydown", (event) => {
  const isTyping = event.target instanceof Element && event.target.closest("input, textarea, select, [contenteditable]");
  if (event.key === "?" && !isTyping) isHelpOpen.value = true;
});

export function HelpDialog() {
  if (!isHelpOpen.value) return null;
  return (
    <Dialog title="Keys" class="narrow" onClose={() => (isHelpOpen.value = false)}>
      <dl class="keys">
        {KEYS.map(([key, what]) => (
          <div key={what}>
            <dt><kbd>{key}</kbd></dt>
            <dd>{what}</dd>
          </div>
        ))}
      </dl>
      <p class="aside muted">
        All that is done here is done by the API: <a href="/docs">its description</a>.
      </p>
    </Dialog>
  );
}
