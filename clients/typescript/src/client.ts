import createClient, { type Client as Api } from "openapi-fetch";

import { contentType } from "./content-types.js";
import {
  isPassing,
  JobFailedError,
  ProblemError,
  problemOf,
  readProblem,
  StaleEditError,
} from "./errors.js";
import { growing, pause, polling, TRIES } from "./pauses.js";
import type { paths } from "./schema.js";
import { messages, NoStreamError } from "./stream.js";
import { Transport, type Token } from "./transport.js";
import type {
  Edited,
  Estimate,
  Feature,
  Filters,
  Item,
  Job,
  JobOf,
  List,
  LogEvent,
  Media,
  MediaDetail,
  Operation,
  Parameters,
  ProgressEvent,
  Submitted,
  Upload,
} from "./types.js";
import { send, type UploadProgress } from "./upload.js";

const ENDED: ReadonlySet<Job["status"]> = new Set(["completed", "failed", "cancelled"]);
const NAME = /^[A-Za-z_-]+$/;
const GONE = 410;
const UPLOAD_OVER = "upload_over";
const PROGRESS = "job.progress";

export interface AuteurOptions {
  /** Where the API is, for example `https://api.example.com`; in Node.js, `AUTEUR_URL` if absent. */
  url?: string;
  /** A token or an API key, or a function that gets one, asked anew after a 401; `AUTEUR_TOKEN`. */
  token?: Token;
  /** Where events are streamed, if not at `url`: without streams, jobs are polled. */
  liveUrl?: string;
}

export interface Stoppable {
  /** Ends the waiting; what was asked for goes on at the server. */
  signal?: AbortSignal;
}

export interface Repeatable extends Stoppable {
  /** Of a request that was made before, perhaps: it is not carried out twice. Made up if absent. */
  idempotencyKey?: string;
}

export interface WaitOptions extends Stoppable {
  /** Told whenever there is news of the job. */
  onProgress?: (job: Job) => void;
}

export interface UploadOptions extends Stoppable {
  projectId: string;
  /** Of an upload that broke off: only what is missing is sent. */
  resume?: string;
  /** Of a `Blob`, which has no name of its own. */
  filename?: string;
  onProgress?: (progress: UploadProgress) => void;
}

export interface EventsOptions extends Stoppable {
  /** The `seq` of the last event that you know; without it, events begin now. */
  after?: number;
}

/** What openapi-fetch answers. */
interface Answered<T> {
  data?: T;
  error?: unknown;
  response: Response;
}

/** The body of an answer of `api`; throws a `ProblemError` where it is a problem. */
export async function unwrap<T>(asked: Promise<Answered<T>>): Promise<T> {
  const { data, error, response } = await asked;
  if (!response.ok) throw problemOf(error, response);
  return data as T;
}

/** One user's way to Auteur. */
export class Auteur {
  /** Every operation of the contract, typed, with the token and tries of all others. */
  readonly api: Api<paths>;
  readonly #transport: Transport;
  readonly #liveUrl: string;

  constructor(options: AuteurOptions = {}) {
    const url = (options.url ?? fromEnvironment("AUTEUR_URL")).replace(/\/+$/, "");
    this.#liveUrl = (options.liveUrl ?? url).replace(/\/+$/, "");
    this.#transport = new Transport(options.token ?? fromEnvironment("AUTEUR_TOKEN"));
    this.api = createClient<paths>({ baseUrl: url, fetch: this.#transport.send });
  }

  /** Bring a file into a project; the media file, once it is ready. Throws `UploadRejectedError`. */
  async upload(file: Blob, options: UploadOptions): Promise<Media> {
    const { projectId, resume, onProgress, signal } = options;
    const at = (mediaId: string) => ({
      params: { path: { project_id: projectId, media_id: mediaId } },
      ...stop(signal),
    });
    const look = (mediaId: string): Promise<Upload> =>
      unwrap(this.api.GET("/projects/{project_id}/media/{media_id}/upload", at(mediaId)));
    let mediaId = resume;
    try {
      const upload = resume ? await look(resume) : await this.#begin(file, options);
      mediaId = upload.media_id;
      await send(upload, { file, again: () => look(upload.media_id), onProgress, signal });
    } catch (error) {
      const isSent = error instanceof ProblemError && error.code === UPLOAD_OVER;
      if (!isSent || mediaId === undefined) throw error;
    }
    for (const ms of polling()) {
      const path = "/projects/{project_id}/media/{media_id}/confirm";
      const { media } = await unwrap(this.api.POST(path, at(mediaId)));
      if (media.status === "ready") return media;
      await pause(ms, signal);
    }
    throw new Error("unreachable");
  }

  #begin(file: Blob, { projectId, filename, signal }: UploadOptions): Promise<Upload> {
    const name = filename ?? (file instanceof File ? file.name : "");
    return unwrap(
      this.api.POST("/projects/{project_id}/media/upload-url", {
        params: { path: { project_id: projectId } },
        body: { filename: name, content_type: contentType(name, file.type), size_bytes: file.size },
        ...stop(signal),
      }),
    );
  }

  /** Ask for a job and wait for its end; the job, completed. Throws `JobFailedError`. */
  async run<F extends Feature>(
    feature: F,
    parameters: Parameters<F>,
    options: Repeatable & WaitOptions = {},
  ): Promise<JobOf<F>> {
    const { job_id } = await this.submit(feature, parameters, options);
    const job = await this.wait(job_id, options);
    if (job.status !== "completed") throw new JobFailedError(job);
    return job as JobOf<F>;
  }

  /** Ask for a job. Throws `InsufficientCreditsError`. */
  submit<F extends Feature>(
    feature: F,
    parameters: Parameters<F>,
    { idempotencyKey, signal }: Repeatable = {},
  ): Promise<Submitted> {
    return this.#post<Submitted>(pathOf(feature), {
      body: parameters,
      ...(idempotencyKey === undefined
        ? {}
        : { params: { header: { "Idempotency-Key": idempotencyKey } } }),
      ...stop(signal),
    });
  }

  /** What a job would cost; submitted with the `quote_id` it costs no more. */
  estimate<F extends Feature>(
    feature: F,
    parameters: Parameters<F>,
    { signal }: Stoppable = {},
  ): Promise<Estimate> {
    return this.#post<Estimate>(`${pathOf(feature)}/estimate`, { body: parameters, ...stop(signal) });
  }

  /** Ask at a path that is known when it runs: an installation may have further features. */
  #post<T>(path: string, init: object): Promise<T> {
    const post = this.api.POST as unknown as (path: string, init: object) => Promise<Answered<T>>;
    return unwrap(post(path, init));
  }

  /** Cancel a job that has not ended; it is refunded. */
  cancel(jobId: string, { signal }: Stoppable = {}): Promise<Job> {
    const params = { path: { job_id: jobId } };
    return unwrap(this.api.POST("/jobs/{job_id}/cancel", { params, body: {}, ...stop(signal) }));
  }

  /** Wait until a job has ended, however; the job. */
  async wait(jobId: string, { onProgress, signal }: WaitOptions = {}): Promise<Job> {
    const params = { path: { job_id: jobId } };
    const look = async () => {
      const job = await unwrap(this.api.GET("/jobs/{job_id}", { params, ...stop(signal) }));
      onProgress?.(job);
      return job;
    };
    let job = await look();
    let streams = true;
    for (const ms of polling()) {
      if (ENDED.has(job.status)) return job;
      if (streams) {
        try {
          for await (const event of this.#jobEvents(jobId, signal)) {
            if (event.type !== PROGRESS) job = await look();
            else onProgress?.((job = running(job, event)));
          }
        } catch (error) {
          signal?.throwIfAborted();
          streams = !(error instanceof NoStreamError); // what else is wrong, the next look tells
        }
      }
      if (!ENDED.has(job.status)) {
        await pause(ms, signal);
        job = await look();
      }
    }
    return job;
  }

  async *#jobEvents(jobId: string, signal?: AbortSignal): AsyncGenerator<LogEvent | ProgressEvent> {
    const url = `${this.#liveUrl}/jobs/${encodeURIComponent(jobId)}/events`;
    for await (const { event, data } of messages(this.#transport, url, null, signal)) {
      if (event?.startsWith("job.")) yield eventOf(event, data);
    }
  }

  /**
   * What happens to the user's jobs: the log, each event once. It ends when you end it: connections
   * that break are opened again, after the last event. Where `liveUrl` streams, the progress of jobs
   * comes between events.
   */
  async *events(options: EventsOptions = {}): AsyncGenerator<LogEvent | ProgressEvent> {
    const { signal } = options;
    let last = options.after ?? null;
    for (let failed = 0; ; ) {
      try {
        for await (const message of messages(this.#transport, ...this.#from(last), signal)) {
          failed = 0;
          if (message.event === "hello") last ??= (JSON.parse(message.data) as { seq: number }).seq;
          if (message.event === "events_removed") throw removed(message.data);
          if (!message.event?.startsWith("job.")) continue;
          if (message.id) last = Number(message.id);
          yield eventOf(message.event, message.data);
        }
      } catch (error) {
        signal?.throwIfAborted();
        if (error instanceof NoStreamError) break;
        if (error instanceof ProblemError && !isPassing(error)) throw error;
        failed = Math.min(failed + 1, TRIES);
      }
      await pause(growing(failed + 1), signal);
    }
    yield* this.#polledEvents(last, signal);
  }

  #from(last: number | null): [url: string, lastId: string | null] {
    return [`${this.#liveUrl}/events`, last === null ? null : String(last)];
  }

  async *#polledEvents(last: number | null, signal?: AbortSignal): AsyncGenerator<LogEvent> {
    let after = last ?? (await unwrap(this.api.GET("/events/head", stop(signal)))).seq;
    for (;;) {
      for (const ms of polling()) {
        const params = { query: { after } };
        const { events } = await unwrap(this.api.GET("/events", { params, ...stop(signal) }));
        for (const event of events) {
          after = event.seq;
          yield event;
        }
        if (events.length) break;
        await pause(ms, signal);
      }
    }
  }

  /** All that a list holds, page by page as you go: `iterate("jobs", { status: "failed" })`. */
  async *iterate<L extends List>(
    list: L,
    filters?: Filters<L>,
    { signal }: Stoppable = {},
  ): AsyncGenerator<Item<L>> {
    const given = Object.entries(filters ?? {});
    const isInPath = ([name]: [string, unknown]) => list.includes(`{${name}}`);
    const path = Object.fromEntries(given.filter(isInPath));
    const query: Record<string, unknown> = Object.fromEntries(
      given.filter((each) => !isInPath(each)),
    );
    const get = this.api.GET as unknown as (
      path: string,
      init: object,
    ) => Promise<Answered<Record<string, unknown>>>;
    for (;;) {
      const page = await unwrap(get(`/${list}`, { params: { path, query }, ...stop(signal) }));
      const rows = Object.values(page).find(Array.isArray) as Item<L>[] | undefined;
      yield* rows ?? [];
      if (typeof page.next !== "string") return;
      query.cursor = new URL(page.next, "http://localhost").searchParams.get("cursor");
    }
  }

  /** Change a timeline of that version, all operations or none. Throws `StaleEditError`. */
  async edit(
    projectId: string,
    operations: Operation[],
    options: { version: number } & Repeatable,
  ): Promise<Edited> {
    const { version, idempotencyKey = crypto.randomUUID(), signal } = options;
    const header = { "If-Match": `"${version}"`, "Idempotency-Key": idempotencyKey };
    const params = { path: { project_id: projectId }, header };
    const body = { operations };
    const path = "/projects/{project_id}/edl";
    try {
      return await unwrap(this.api.PATCH(path, { params, body, ...stop(signal) }));
    } catch (error) {
      if (error instanceof StaleEditError) error.version = version;
      throw error;
    }
  }

  /** A media file, by itself, its id or a signed URL: the whole of it, or an error. */
  async download(what: string | Pick<Media, "id">, { signal }: Stoppable = {}): Promise<Blob> {
    for (let failed = 1; ; failed++) {
      try {
        const url = await this.#downloadUrl(what, signal);
        const response = await fetch(url, signal ? { signal } : {});
        if (!response.ok) throw await readProblem(response);
        return await response.blob();
      } catch (error) {
        const isFinal = error instanceof ProblemError && !isPassing(error);
        if (isFinal || failed === TRIES || signal?.aborted) throw error;
        await pause(growing(failed), signal);
      }
    }
  }

  async #downloadUrl(what: string | Pick<Media, "id">, signal?: AbortSignal): Promise<string> {
    if (typeof what === "string" && /^https?:\/\/|^\//.test(what)) return what;
    const media_id = typeof what === "string" ? what : what.id;
    const params = { path: { media_id } };
    const media: MediaDetail = await unwrap(
      this.api.GET("/media/{media_id}", { params, ...stop(signal) }),
    );
    if (media.download_url) return media.download_url;
    throw new ProblemError("no_file", 0, `The media file is ${media.status}: there is no file.`);
  }
}

function fromEnvironment(name: string): string {
  const { process } = globalThis as { process?: { env: Record<string, string | undefined> } };
  const value = process?.env[name];
  if (!value) throw new TypeError(`Give the client an address and a token: ${name} is not set.`);
  return value;
}

/** Features are known by their path (`lip-sync`) and by their type (`lip_sync`). */
function pathOf(feature: string): string {
  if (!NAME.test(feature)) throw new TypeError(`No feature can be called ${feature}.`);
  return `/jobs/${feature.replaceAll("_", "-")}`;
}

function stop(signal: AbortSignal | undefined): { signal?: AbortSignal } {
  return signal ? { signal } : {};
}

function eventOf(type: string, data: string): LogEvent | ProgressEvent {
  const told: unknown = JSON.parse(data);
  return type === PROGRESS ? { type, data: told as ProgressEvent["data"] } : (told as LogEvent);
}

function removed(data: string): ProblemError {
  const detail = "Events after this one are no longer kept.";
  const extra = JSON.parse(data) as Record<string, unknown>;
  return new ProblemError("events_removed", GONE, detail, [], null, extra);
}

/** The job as the news of its progress makes it. */
function running(job: Job, { data }: ProgressEvent): Job {
  return {
    ...job,
    status: "processing",
    progress: data.progress / 100,
    stage: data.stage,
    estimated_end_at: data.eta_at,
    queue_position: null,
  };
}
