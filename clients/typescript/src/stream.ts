/** Reads server-sent events by `fetch`, because `EventSource` cannot send a token. */

import { EventSourceParserStream, type EventSourceMessage } from "eventsource-parser/stream";

import { readProblem } from "./errors.js";
import type { Transport } from "./transport.js";

const CONTENT_TYPE = "text/event-stream";
/** The server sends a heartbeat every 15 s, so a connection that is silent for longer is broken. */
const SILENCE_MS = 45_000;
const NOT_ACCEPTABLE = 406;

/** The address does not stream events: poll instead. */
export class NoStreamError extends Error {
  override name = "NoStreamError";
}

/** Yield the messages of one connection, until it ends or breaks. */
export async function* messages(
  transport: Transport,
  url: string,
  lastId: string | null,
  signal: AbortSignal | undefined,
): AsyncGenerator<EventSourceMessage, void, undefined> {
  const silence = new AbortController();
  const combined = signal ? AbortSignal.any([signal, silence.signal]) : silence.signal;
  const headers = new Headers({ Accept: CONTENT_TYPE });
  if (lastId !== null) headers.set("Last-Event-ID", lastId);
  const response = await transport.once(new Request(url, { headers, signal: combined }));
  if (response.status === NOT_ACCEPTABLE) throw new NoStreamError();
  if (!response.ok) throw await readProblem(response);
  if (!response.headers.get("Content-Type")?.startsWith(CONTENT_TYPE) || !response.body) {
    throw new NoStreamError();
  }
  let timer = setTimeout(() => silence.abort(), SILENCE_MS);
  const timedStream = new TransformStream<Uint8Array, Uint8Array>({
    transform(chunk, controller) {
      clearTimeout(timer);
      timer = setTimeout(() => silence.abort(), SILENCE_MS);
      controller.enqueue(chunk);
    },
  });
  const reader = response.body
    .pipeThrough(timedStream)
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
