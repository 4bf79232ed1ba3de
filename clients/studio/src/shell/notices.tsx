/** What went wrong, or well, told where it is seen and heard; each can be put away. */

import { signal } from "@preact/signals";
import { InsufficientCreditsError, NotSignedInError, ProblemError, UploadRejectedError } from "auteur-client";
import { credits } from "./format";
import { Icon } from "./icons";

type Kind = "problem" | "done";

interface Notice {
  id: number;
  kind: Kind;
  text: string;
}

/** So many are shown at once; the oldest go. */
const MOST_SHOWN = 4;
const DONE_MS = 6_000;

const notices = signal<Notice[]>([]);
let last = 0;

function show(kind: Kind, text: string): void {
  if (notices.value.some((each) => each.text === text)) return;
  const notice = { id: ++last, kind, text };
  notices.value = [...notices.value, notice].slice(-MOST_SHOWN);
  if (kind === "done") setTimeout(() => putAway(notice.id), DONE_MS);
}

function putAway(id: number): void {
  notices.value = notices.value.filter((each) => each.id !== id);
}

/** Tell of an error; what the person themselves stopped is none. */
export function notify(error: unknown): void {
  if (error instanceof DOMException && error.name === "AbortError") return;
  if (error instanceof NotSignedInError) return; // the sign-in is shown
  show("problem", reason(error));
}

export function done(text: string): void {
  show("done", text);
}

/** Why something failed, in one sentence or two. */
export function reason(error: unknown): string {
  if (error instanceof InsufficientCreditsError) {
    return `This needs ${credits(error.required)}; you have ${error.balance}.`;
  }
  if (error instanceof UploadRejectedError || error instanceof ProblemError) {
    const fields = error.errors.map((each) => `${each.field}: ${each.detail}`).join(" ");
    return fields || error.detail;
  }
  if (error instanceof TypeError) return "The server cannot be reached.";
  return error instanceof Error ? error.message : String(error);
}

export function Notices() {
  return (
    <div class="notices" role="region" aria-label="Notices" aria-live="polite">
      {notices.value.map(({ id, kind, text }) => (
        <div key={id} class={`notice notice-${kind}`} role={kind === "problem" ? "alert" : "status"}>
          <Icon name={kind === "problem" ? "alert" : "check"} />
          <p>{text}</p>
          <button class="icon" type="button" aria-label="Dismiss" onClick={() => putAway(id)}>
            <Icon name="close" />
          </button>
        </div>
      ))}
    </div>
  );
}
