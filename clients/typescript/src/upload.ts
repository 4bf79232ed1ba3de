/** Sends a file to the storage in parts; received parts are not sent again. */

import { isTemporary, ProblemError, readProblem } from "./errors.js";
import { backoff, pause, TRIES } from "./pauses.js";
import type { Upload } from "./types.js";

const AT_ONCE = 3;
/** The storage already has this part, because the response of an earlier try was lost. */
const ALREADY_THERE = 412;

/** The progress of an upload. */
export interface UploadProgress {
  /** The id by which an interrupted upload is resumed. */
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

export interface FileToSend {
  file: Blob;
  /** Requests the missing parts with new URLs. */
  requestParts: () => Promise<Upload>;
  onProgress?: ((progress: UploadProgress) => void) | undefined;
  signal?: AbortSignal | undefined;
}

/** Send the missing parts, a few at once; retry failed ones with new URLs. */
export async function send(upload: Upload, source: FileToSend): Promise<void> {
  for (let failed = 0; ; ) {
    const before = listMissingParts(upload, source.file).length;
    try {
      await sendParts(upload, source);
      return;
    } catch (error) {
      source.signal?.throwIfAborted();
      failed++;
      if (failed === TRIES || !canRetry(error)) throw error;
      await pause(backoff(failed), source.signal);
    }
    upload = await source.requestParts();
    if (listMissingParts(upload, source.file).length < before) failed = 0;
  }
}

async function sendParts(upload: Upload, { file, onProgress, signal }: FileToSend): Promise<void> {
  const parts = listMissingParts(upload, file);
  const sent = new Map<Part, number>();
  const before = file.size - parts.reduce((sum, part) => sum + part.size_bytes, 0);
  const report = (part: Part, bytes: number) => {
    sent.set(part, bytes);
    const sentBytes = [...sent.values()].reduce((sum, size) => sum + size, before);
    onProgress?.({ mediaId: upload.media_id, sentBytes, totalBytes: file.size });
  };
  onProgress?.({ mediaId: upload.media_id, sentBytes: before, totalBytes: file.size });

  const stop = new AbortController();
  const combined = signal ? AbortSignal.any([signal, stop.signal]) : stop.signal;
  const queue = parts.values();
  const worker = async () => {
    for (const part of queue) {
      const bytes = file.slice(part.offset, part.offset + part.size_bytes);
      await put(part.upload_url ?? "", bytes, upload.headers, (n) => report(part, n), combined);
      report(part, part.size_bytes);
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

/** Return the parts that the storage does not have; a small file is a single part. */
function listMissingParts(upload: Upload, file: Blob): Part[] {
  const whole = { offset: 0, size_bytes: file.size, upload_url: upload.upload_url, received: false };
  const parts: Part[] = upload.parts ?? [whole];
  const size = parts.reduce((sum, part) => sum + part.size_bytes, 0);
  if (size !== file.size) {
    const detail = `The upload expects ${size} bytes, but this file has ${file.size}. Choose the same file.`;
    throw new ProblemError("another_file", 0, detail);
  }
  return parts.filter((part) => !part.received);
}

/** Return true for broken connections, unavailable storages and expired URLs (403). */
function canRetry(error: unknown): boolean {
  return !(error instanceof ProblemError) || error.status === 403 || isTemporary(error);
}

type Put = (
  url: string,
  body: Blob,
  headers: Record<string, string>,
  onSent: (bytes: number) => void,
  signal: AbortSignal,
) => Promise<void>;

/** Use XMLHttpRequest in browsers, where only it reports the progress of a request. */
const put: Put = (...parameters) =>
  typeof XMLHttpRequest === "undefined" ? putByFetch(...parameters) : putByXhr(...parameters);

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
