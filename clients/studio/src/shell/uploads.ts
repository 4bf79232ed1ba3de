/** Uploads into projects; an interrupted upload resumes where it stopped, also after a reload. */

import { batch, signal } from "@preact/signals";
import { type Media, ProblemError, unwrap } from "auteur-client";
import { reason } from "./notices";
import { client } from "./session";

export interface Upload {
  id: number;
  projectId: string;
  file: File;
  /** Null until the server has accepted the declaration. */
  mediaId: string | null;
  sent: number;
  state: "waiting" | "sending" | "checking" | "broken" | "refused";
  why: string;
  stop: AbortController;
}

/** An upload that has begun, as it is remembered between visits. */
interface StoredUpload {
  mediaId: string;
  projectId: string;
  name: string;
  size: number;
  modified: number;
}

const STORAGE_KEY = "auteur.uploads";
/** The most interrupted uploads that are remembered. */
const MAX_REMEMBERED = 50;
const AT_ONCE = 2;
const NOT_FOUND = 404;

export const uploads = signal<Upload[]>([]);
/** Counts uploads that were completed or refused. */
export const arrived = signal(0);
/** Files that were uploaded in this window and are not on a timeline yet. */
export const uploaded = signal<{ projectId: string; media: Media }[]>([]);
let last = 0;

/** Upload files into a project, a few at once. */
export function upload(projectId: string, files: Iterable<File>): void {
  for (const file of files) {
    const stored = readStoredUploads().find((entry) => isSameFile(entry, file, projectId));
    const entry: Upload = {
      id: ++last,
      projectId,
      file,
      mediaId: stored?.mediaId ?? null,
      sent: 0,
      state: "waiting",
      why: "",
      stop: new AbortController(),
    };
    uploads.value = [...uploads.value, entry];
  }
  next();
}

/** Resume an upload that was interrupted. */
export function resume(id: number): void {
  change(id, { state: "waiting", why: "", stop: new AbortController() });
  next();
}

/** Cancel an upload, and delete its received parts. */
export async function cancel(id: number): Promise<void> {
  const upload = find(id);
  if (!upload) return;
  upload.stop.abort();
  drop(id);
  if (!upload.mediaId) return;
  if (upload.state === "refused") await deleteMedia(upload.mediaId);
  else await discard(upload.projectId, upload.mediaId);
}

/** Delete a file; one that is gone already is no error. */
export async function deleteMedia(mediaId: string): Promise<void> {
  try {
    await unwrap(client.api.DELETE("/media/{media_id}", { params: { path: { media_id: mediaId } } }));
  } catch (error) {
    if (!(error instanceof ProblemError && error.status === NOT_FOUND)) throw error;
  }
}

/** Delete the received parts of an upload. */
export async function discard(projectId: string, mediaId: string): Promise<void> {
  forget(mediaId);
  const path = { project_id: projectId, media_id: mediaId };
  await client.api.DELETE("/projects/{project_id}/media/{media_id}/upload", { params: { path } });
}

function next(): void {
  const busy = uploads.value.filter((upload) => upload.state === "sending").length;
  const waiting = uploads.value.filter((upload) => upload.state === "waiting");
  for (const upload of waiting.slice(0, Math.max(0, AT_ONCE - busy))) void send(upload);
}

async function send({ id, file, projectId, mediaId, stop }: Upload): Promise<void> {
  change(id, { state: "sending" });
  try {
    const media = await client.upload(file, {
      projectId,
      ...(mediaId ? { resume: mediaId } : {}),
      signal: stop.signal,
      onProgress: (progress) => {
        if (find(id)?.mediaId !== progress.mediaId) remember({ ...getFileKey(file), projectId, mediaId: progress.mediaId });
        const isSent = progress.sentBytes >= progress.totalBytes;
        change(id, { mediaId: progress.mediaId, sent: progress.sentBytes, state: isSent ? "checking" : "sending" });
      },
    });
    forget(find(id)?.mediaId ?? "");
    drop(id);
    batch(() => {
      uploaded.value = [...uploaded.value, { projectId, media }];
      arrived.value++;
    });
  } catch (error) {
    if (!stop.signal.aborted) handleFailure(id, error);
  }
  next();
}

function handleFailure(id: number, error: unknown): void {
  const upload = find(id);
  if (error instanceof ProblemError && error.status === NOT_FOUND && upload?.mediaId) {
    forget(upload.mediaId); // it was removed meanwhile: from the beginning
    change(id, { mediaId: null, state: "waiting" });
    return;
  }
  const isFinal = error instanceof ProblemError && error.status >= 400 && error.status < 500;
  if (isFinal) forget(upload?.mediaId ?? "");
  change(id, { state: isFinal ? "refused" : "broken", why: reason(error) });
  if (isFinal) arrived.value++;
}

function find(id: number): Upload | undefined {
  return uploads.value.find((upload) => upload.id === id);
}

function change(id: number, changes: Partial<Upload>): void {
  uploads.value = uploads.value.map((upload) => (upload.id === id ? { ...upload, ...changes } : upload));
}

function drop(id: number): void {
  uploads.value = uploads.value.filter((upload) => upload.id !== id);
}

function getFileKey(file: File): Pick<StoredUpload, "name" | "size" | "modified"> {
  return { name: file.name, size: file.size, modified: file.lastModified };
}

function isSameFile(entry: StoredUpload, file: File, projectId: string): boolean {
  const { name, size, modified } = getFileKey(file);
  return entry.projectId === projectId && entry.name === name && entry.size === size && entry.modified === modified;
}

function readStoredUploads(): StoredUpload[] {
  try {
    return JSON.parse(localStorage.getItem(STORAGE_KEY) ?? "[]");
  } catch {
    return [];
  }
}

function remember(entry: StoredUpload): void {
  const others = readStoredUploads().filter((other) => other.mediaId !== entry.mediaId);
  localStorage.setItem(STORAGE_KEY, JSON.stringify([...others, entry].slice(-MAX_REMEMBERED)));
}

function forget(mediaId: string): void {
  localStorage.setItem(STORAGE_KEY, JSON.stringify(readStoredUploads().filter((entry) => entry.mediaId !== mediaId)));
}
