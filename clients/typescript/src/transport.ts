/** Requests to the API: who asks, and what is asked again. */

import { growing, LONGEST_MS, pause, retryAfter, TRIES } from "./pauses.js";

const BUSY = 429;
const NOT_SIGNED_IN = 401;
const AWAY = new Set([502, 503, 504]);
/** An answer that has not begun by then is no longer waited for. */
const ANSWER_MS = 60_000;
const KEY = "Idempotency-Key";

/** A token or an API key, or what gets one: asked when the client begins, and after a 401. */
export type Token = string | (() => string | Promise<string>);

/** Sends requests with the user's token, and sends them again where that is safe. */
export class Transport {
  #token: Token;
  #current: Promise<string> | null = null;

  constructor(token: Token) {
    this.#token = token;
  }

  /** The answer, whatever its status. */
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
        await pause(growing(failed), request.signal);
        continue;
      }
      const wait = isAskedAgain(request, response) ? waitOf(response, failed) : null;
      if (wait === null || isLast) return response;
      await response.body?.cancel();
      await pause(wait, request.signal);
    }
  };

  /** The answer to a request that is sent once, but with a fresh token after a 401. */
  async once(request: Request): Promise<Response> {
    const token = this.#bearer();
    const response = await withToken(request, await token);
    if (response.status !== NOT_SIGNED_IN || typeof this.#token === "string") return response;
    if (this.#current === token) this.#current = null;
    const fresh = await this.#bearer();
    return fresh === (await token) ? response : withToken(request, fresh);
  }

  /** The token; several requests that need a new one share it. */
  #bearer(): Promise<string> {
    if (this.#current === null) {
      const token = this.#token;
      const asked = Promise.resolve(typeof token === "string" ? token : token());
      asked.catch(() => {
        if (this.#current === asked) this.#current = null;
      });
      this.#current = asked;
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

/** Whether it does no harm to carry the request out twice. */
function isRepeatable(request: Request): boolean {
  return request.method !== "PATCH" || request.headers.has("If-Match");
}

function isAskedAgain(request: Request, { status }: Response): boolean {
  return status === BUSY || (AWAY.has(status) && isRepeatable(request));
}

/** Milliseconds until the next try; null where that would be too long. */
function waitOf(response: Response, failed: number): number | null {
  const wait = retryAfter(response) ?? growing(failed);
  return wait > LONGEST_MS ? null : wait;
}
