/** The bytes of a file, on their way to the storage; parts that are there are not sent again. */

import { isPassing, ProblemError, readProblem } from "./errors.js";
import { growing, pause, TRIES } from "./pauses.js";
import type { Upload } from "./types.js";

const AT_ONCE = 3;
/** The storage has this part already: an answer of it was lost. */
const ALREADY_THERE = 412;

/** How far an upload is. */
export interface UploadProgress {
  /** With this id an upload that breaks off is resumed. */
  mediaId: string;
  sentBytes: number;
  totalBytes: number;
}

interface Part {
  offset: number;
  size_bytes: number;
  upload_url: string | null;
  received: boolean;
}

export interface Sending {
  file: Blob;
  /** Asks where what is missing is to be sent; URLs are fresh. */
  again: () => Promise<Upload>;
  onProgress?: ((progress: UploadProgress) => void) | undefined;
  signal?: AbortSignal | undefined;
}

/** Send what is missing, a few parts at once; what fails is asked for and sent again. */
export async function send(upload: Upload, sending: Sending): Promise<void> {
  for (let failed = 0; ; ) {
    const before = missing(upload, sending.file).length;
    try {
      await round(upload, sending);
      return;
    } catch (error) {
      sending.signal?.throwIfAborted();
      failed++;
      if (failed === TRIES || !isMended(error)) throw error;
      await pause(growing(failed), sending.signal);
    }
    upload = await sending.again();
    if (missing(upload, sending.file).length < before) failed = 0;
  }
}

async function round(upload: Upload, { file, onProgress, signal }: Sending): Promise<void> {
  const todo = missing(upload, file);
  const sent = new Map<Part, number>();
  const before = file.size - todo.reduce((sum, part) => sum + part.size_bytes, 0);
  const tell = (part: Part, bytes: number) => {
    sent.set(part, bytes);
    const sentBytes = [...sent.values()].reduce((sum, each) => sum + each, before);
    onProgress?.({ mediaId: upload.media_id, sentBytes, totalBytes: file.size });
  };
  onProgress?.({ mediaId: upload.media_id, sentBytes: before, totalBytes: file.size });

  const stop = new AbortController();
  const both = signal ? AbortSignal.any([signal, stop.signal]) : stop.signal;
  const queue = todo.values();
  const worker = async () => {
    for (const part of queue) {
      const bytes = file.slice(part.offset, part.offset + part.size_bytes);
      await put(part.upload_url ?? "", bytes, upload.headers, (n) => tell(part, n), both);
      tell(part, part.size_bytes);
    }
  };
  const workers = Array.from({ length: AT_ONCE }, worker);
  try {
    await Promise.all(workers);
  } finally {
    stop.abort();
    await Promise.allSettled(workers);
  }
}

/** What the storage does not have; a file without parts is one. */
function missing(upload: Upload, file: Blob): Part[] {
  const whole = { offset: 0, size_bytes: file.size, upload_url: upload.upload_url, received: false };
  const parts: Part[] = upload.parts ?? [whole];
  const size = parts.reduce((sum, part) => sum + part.size_bytes, 0);
  if (size !== file.size) {
    const detail = `The upload is of a file of ${size} bytes, and this one has ${file.size}.`;
    throw new ProblemError("another_file", 0, detail);
  }
  return parts.filter((part) => !part.received);
}

/** Connections break, storages are away and URLs end (403): all of that is mended by fresh URLs. */
function isMended(error: unknown): boolean {
  return !(error instanceof ProblemError) || error.status === 403 || isPassing(error);
}

type Put = (
  url: string,
  body: Blob,
  headers: Record<string, string>,
  onSent: (bytes: number) => void,
  signal: AbortSignal,
) => Promise<void>;

/** Browsers tell how far a request is by XMLHttpRequest alone. */
const put: Put = (...given) =>
  typeof XMLHttpRequest === "undefined" ? putByFetch(...given) : putByXhr(...given);

const putByFetch: Put = async (url, body, headers, _onSent, signal) => {
  const response = await fetch(url, { method: "PUT", body, headers, signal });
  if (!response.ok && response.status !== ALREADY_THERE) throw await readProblem(response);
  await response.body?.cancel();
};

const putByXhr: Put = (url, body, headers, onSent, signal) =>
  new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const request = new XMLHttpRequest();
    request.open("PUT", url);
    for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
    const abort = () => request.abort();
    request.upload.onprogress = (event) => onSent(event.loaded);
    request.onload = () => {
      const { status, statusText } = request;
      if ((status >= 200 && status < 300) || status === ALREADY_THERE) return resolve();
      readProblem(new Response(request.responseText, { status, statusText })).then(reject, reject);
    };
    request.onerror = () => reject(new TypeError("The connection to the storage broke."));
    request.onabort = () => reject(signal.reason);
    request.onloadend = () => signal.removeEventListener("abort", abort);
    signal.addEventListener("abort", abort, { once: true });
    request.send(body);
  });
