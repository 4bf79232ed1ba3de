/** Sends requests to the API, with the token and retries. */

import { backoff, LONGEST_MS, pause, retryAfter, TRIES } from "./pauses.js";

const BUSY = 429;
const NOT_SIGNED_IN = 401;
const UNAVAILABLE = new Set([502, 503, 504]);
/** The timeout for the beginning of a response. */
const ANSWER_MS = 60_000;
const KEY = "Idempotency-Key";

/** A token, an API key, or a function that returns one; called at first and after a 401. */
export type Token = string | (() => string | Promise<string>);

/** Sends requests with the user's token, and retries them if that is safe. */
export class Transport {
  #token: Token;
  #current: Promise<string> | null = null;

  constructor(token: Token) {
    this.#token = token;
  }

  /** Send a request with retries; return its response, whatever the status. */
  readonly send = async (request: Request): Promise<Response> => {
    if (request.method === "POST" && !request.headers.has(KEY)) {
      request.headers.set(KEY, crypto.randomUUID());
    }
    for (let failed = 1; ; failed++) {
      const isLast = failed === TRIES;
      let response: Response;
      try {
        response = await this.once(request);
      } catch (error) {
        if (isLast || request.signal.aborted || !isRepeatable(request)) throw error;
        await pause(backoff(failed), request.signal);
        continue;
      }
      const wait = canRetry(request, response) ? getPause(response, failed) : null;
      if (wait === null || isLast) return response;
      await response.body?.cancel();
      await pause(wait, request.signal);
    }
  };

  /** Send a request without retries, except with a new token after a 401. */
  async once(request: Request): Promise<Response> {
    const token = this.#bearer();
    const response = await withToken(request, await token);
    if (response.status !== NOT_SIGNED_IN || typeof this.#token === "string") return response;
    if (this.#current === token) this.#current = null;
    const newToken = await this.#bearer();
    return newToken === (await token) ? response : withToken(request, newToken);
  }

  /** Return the token; concurrent requests share a new one. */
  #bearer(): Promise<string> {
    if (this.#current === null) {
      const token = this.#token;
      const promise = Promise.resolve(typeof token === "string" ? token : token());
      promise.catch(() => {
        if (this.#current === promise) this.#current = null;
      });
      this.#current = promise;
    }
    return this.#current;
  }
}

async function withToken(request: Request, token: string): Promise<Response> {
  const copy = request.clone();
  copy.headers.set("Authorization", `Bearer ${token}`);
  const silence = new AbortController();
  const timer = setTimeout(() => silence.abort(), ANSWER_MS);
  try {
    return await fetch(copy, { signal: AbortSignal.any([request.signal, silence.signal]) });
  } finally {
    clearTimeout(timer);
  }
}

/** Return true if a second execution of the request does no harm. */
function isRepeatable(request: Request): boolean {
  return request.method !== "PATCH" || request.headers.has("If-Match");
}

function canRetry(request: Request, { status }: Response): boolean {
  return status === BUSY || (UNAVAILABLE.has(status) && isRepeatable(request));
}

/** Return the milliseconds until the next try; null if that is too long. */
function getPause(response: Response, failed: number): number | null {
  const wait = retryAfter(response) ?? backoff(failed);
  return wait > LONGEST_MS ? null : wait;
}
