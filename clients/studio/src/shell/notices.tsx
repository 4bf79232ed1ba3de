/** Short messages about errors and finished actions; each can be dismissed and may offer an action. */

import { signal } from "@preact/signals";
import { InsufficientCreditsError, NotSignedInError, ProblemError, UploadRejectedError } from "auteur-client";
import { credits } from "./format";
import { Icon } from "./icons";

type Kind = "problem" | "done";

/** A button in a notice. */
export interface NoticeAction {
  label: string;
  run: () => void;
}

interface Notice {
  id: number;
  kind: Kind;
  text: string;
  action: NoticeAction | null;
}

/** At most this many are shown at once; the oldest go first. */
const MAX_SHOWN = 4;
const DONE_MS = 6_000;
/** A notice with a button stays longer. */
const ACTION_MS = 12_000;

const notices = signal<Notice[]>([]);
let last = 0;

function show(kind: Kind, text: string, action: NoticeAction | null = null): void {
  if (notices.value.some((notice) => notice.text === text && !action)) return;
  const notice = { id: ++last, kind, text, action };
  notices.value = [...notices.value, notice].slice(-MAX_SHOWN);
  if (kind === "done") setTimeout(() => dismiss(notice.id), action ? ACTION_MS : DONE_MS);
}

function dismiss(id: number): void {
  notices.value = notices.value.filter((notice) => notice.id !== id);
}

/** Show an error, unless the user stopped the request. */
export function notify(error: unknown): void {
  if (error instanceof DOMException && error.name === "AbortError") return;
  if (error instanceof NotSignedInError) return; // the sign-in is shown
  show("problem", reason(error));
}

/** Say that an action is finished, and offer another, such as undo. */
export function done(text: string, action: NoticeAction | null = null): void {
  show("done", text, action);
}

/** Return why something failed, in one or two sentences. */
export function reason(error: unknown): string {
  if (error instanceof InsufficientCreditsError) {
    return `This needs ${credits(error.required)}; you have ${error.balance}.`;
  }
  if (error instanceof UploadRejectedError || error instanceof ProblemError) {
    const fields = error.errors.map((item) => `${item.field}: ${item.detail}`).join(" ");
    return fields || error.detail;
  }
  if (error instanceof TypeError) return "The server cannot be reached.";
  return error instanceof Error ? error.message : String(error);
}

export function Notices() {
  return (
    <div class="notices" role="region" aria-label="Notices" aria-live="polite">
      {notices.value.map(({ id, kind, text, action }) => (
        <div key={id} class={`notice notice-${kind}`} role={kind === "problem" ? "alert" : "status"}>
          <Icon name={kind === "problem" ? "alert" : "check"} />
          <p dir="auto">{text}</p>
          {action && (
            <button
              type="button"
              onClick={() => {
                action.run();
                dismiss(id);
              }}
            >
              {action.label}
            </button>
          )}
          <button class="icon" type="button" aria-label="Dismiss" onClick={() => dismiss(id)}>
            <Icon name="close" />
          </button>
        </div>
      ))}
    </div>
  );
}
