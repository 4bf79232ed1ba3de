/** Defines the pauses between tries and between polls. */

/** The most tries of a request, including the first. */
export const TRIES = 6;
/** The longest pause, also for `Retry-After`. */
export const LONGEST_MS = 60_000;
const FIRST_MS = 500;
const FIRST_POLL_MS = 300;
const LAST_POLL_MS = 2_000;
const POLL_GROWTH = 1.15;

/** Wait so many milliseconds; reject when the signal aborts. */
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

/** Return the pause after the `failed`-th failure in a row, with jitter. */
export function backoff(failed: number): number {
  return Math.min(FIRST_MS * 2 ** (failed - 1), LONGEST_MS) * (0.5 + Math.random() / 2);
}

/** Yield the pauses between polls; they stay below the rate limit. */
export function* pollPauses(): Generator<number, never> {
  for (let ms = FIRST_POLL_MS; ; ms = Math.min(ms * POLL_GROWTH, LAST_POLL_MS)) yield ms;
}

/** Return the milliseconds of `Retry-After`, given as seconds or as a date; null without it. */
export function retryAfter(response: Response): number | null {
  const value = response.headers.get("Retry-After");
  if (value === null) return null;
  const ms = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - Date.now();
  return Number.isNaN(ms) ? null : Math.max(ms, 0);
}
