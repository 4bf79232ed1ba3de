/** Server-sent events, by `fetch`: `EventSource` can send no token. */

import { EventSourceParserStream, type EventSourceMessage } from "eventsource-parser/stream";

import { readProblem } from "./errors.js";
import type { Transport } from "./transport.js";

const CONTENT_TYPE = "text/event-stream";
/** A server that lives sends a sign of it every 15 s: after this silence the connection is dead. */
const SILENCE_MS = 45_000;
const NOT_ACCEPTABLE = 406;

/** What is asked at the address does not stream: poll it. */
export class NoStreamError extends Error {
  override name = "NoStreamError";
}

/** The messages of one connection, until it ends or breaks. */
export async function* messages(
  transport: Transport,
  url: string,
  lastId: string | null,
  signal: AbortSignal | undefined,
): AsyncGenerator<EventSourceMessage, void, undefined> {
  const silence = new AbortController();
  const both = signal ? AbortSignal.any([signal, silence.signal]) : silence.signal;
  const headers = new Headers({ Accept: CONTENT_TYPE });
  if (lastId !== null) headers.set("Last-Event-ID", lastId);
  const response = await transport.once(new Request(url, { headers, signal: both }));
  if (response.status === NOT_ACCEPTABLE) throw new NoStreamError();
  if (!response.ok) throw await readProblem(response);
  if (!response.headers.get("Content-Type")?.startsWith(CONTENT_TYPE) || !response.body) {
    throw new NoStreamError();
  }
  let timer = setTimeout(() => silence.abort(), SILENCE_MS);
  const watched = new TransformStream<Uint8Array, Uint8Array>({
    transform(chunk, controller) {
      clearTimeout(timer);
      timer = setTimeout(() => silence.abort(), SILENCE_MS);
      controller.enqueue(chunk);
    },
  });
  const reader = response.body
    .pipeThrough(watched)
    .pipeThrough(new TextDecoderStream() as ReadableWritablePair<string, Uint8Array>)
    .pipeThrough(new EventSourceParserStream())
    .getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield value;
    }
  } finally {
    clearTimeout(timer);
    await reader.cancel().catch(() => undefined);
  }
}
