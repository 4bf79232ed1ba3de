/** Watches the connection to the server, and follows its events: one stream for the page. */

import { effect, signal } from "@preact/signals";
import type { LogEvent, ProgressEvent } from "auteur-client";
import { notify } from "./notices";
import { client } from "./session";

export type Told = LogEvent | ProgressEvent;

const LOOK_MS = 4_000;
const ANSWER_MS = 3_500;
const REST_MS = 2_000;

export const isAway = signal(false);
/** Counts the times when the page may be outdated: after an absence or missed events. */
export const missed = signal(0);

const listeners = new Set<(event: Told) => void>();
let stream = new AbortController();

/** Call a function for every event; the returned function stops that. */
export function listen(listener: (event: Told) => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Start watching the connection and following events, once for the page. */
export function connect(): void {
  addEventListener("offline", () => (isAway.value = true));
  addEventListener("online", () => void look());
  document.addEventListener("visibilitychange", () => void look());
  setInterval(() => void look(), LOOK_MS);
  void follow();
  let wasAway = false;
  effect(() => {
    if (wasAway && !isAway.value) {
      stream.abort(); // it may wait for long before it tries again
      missed.value = missed.peek() + 1;
    }
    wasAway = isAway.value;
  });
}

async function look(): Promise<void> {
  if (document.hidden) return;
  try {
    const answer = await fetch("/health/live", { signal: AbortSignal.timeout(ANSWER_MS) });
    isAway.value = answer.status >= 502;
  } catch {
    isAway.value = true;
  }
}

async function follow(): Promise<never> {
  let after: number | undefined;
  for (;;) {
    stream = new AbortController();
    try {
      after ??= await head();
      for await (const event of client.events({ after, signal: stream.signal })) {
        if ("seq" in event) after = event.seq;
        for (const listener of listeners) listener(event);
      }
    } catch (error) {
      if (isGone(error)) {
        after = undefined;
        missed.value++;
      } else if (!stream.signal.aborted && !isAway.value) {
        console.warn("The stream of events ended.", error);
      }
      await new Promise((resolve) => setTimeout(resolve, REST_MS));
    }
  }
}

async function head(): Promise<number> {
  const { data } = await client.api.GET("/events/head");
  if (!data) throw new Error("The log of events cannot be read.");
  return data.seq;
}

/** Return true if events after the last one are no longer in the log. */
function isGone(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const isFuture = "code" in error && error.code === "future_event";
  return isFuture || ("status" in error && error.status === 410);
}

/** Run a loading function and show its error, unless the connection is lost. */
export async function attempt(load: () => Promise<void>): Promise<void> {
  try {
    await load();
  } catch (error) {
    if (!(error instanceof TypeError && isAway.value)) notify(error);
  }
}
