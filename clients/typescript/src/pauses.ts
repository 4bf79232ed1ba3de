/** How long we wait before we ask again. */

/** How often a request is made at most. */
export const TRIES = 6;
/** We wait no longer than this, whatever a server asks for. */
export const LONGEST_MS = 60_000;
const FIRST_MS = 500;
const FIRST_POLL_MS = 300;
const LAST_POLL_MS = 2_000;
const POLL_GROWTH = 1.15;

/** Return after so many milliseconds; rejects when the signal aborts. */
export function pause(ms: number, signal?: AbortSignal | null): Promise<void> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const abort = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", abort);
      resolve();
    }, ms);
    signal?.addEventListener("abort", abort, { once: true });
  });
}

/** The pause after the `failed`-th failure in a row: growing, and random, so that clients spread. */
export function growing(failed: number): number {
  return Math.min(FIRST_MS * 2 ** (failed - 1), LONGEST_MS) * (0.5 + Math.random() / 2);
}

/** The pauses between looks at something that moves; below the rate limit, however long it takes. */
export function* polling(): Generator<number, never> {
  for (let ms = FIRST_POLL_MS; ; ms = Math.min(ms * POLL_GROWTH, LAST_POLL_MS)) yield ms;
}

/** Milliseconds that `Retry-After` asks for, as seconds or as a date; null without one. */
export function retryAfter(response: Response): number | null {
  const asked = response.headers.get("Retry-After");
  if (asked === null) return null;
  const ms = /^\d+$/.test(asked) ? Number(asked) * 1000 : Date.parse(asked) - Date.now();
  return Number.isNaN(ms) ? null : Math.max(ms, 0);
}
