import createClient, { type Client as Api } from "openapi-fetch";

import { contentType } from "./content-types.js";
import {
  isTemporary,
  JobFailedError,
  ProblemError,
  buildProblem,
  readProblem,
  StaleEditError,
} from "./errors.js";
import { backoff, pause, pollPauses, TRIES } from "./pauses.js";
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

const TERMINAL_STATUSES: ReadonlySet<Job["status"]> = new Set(["completed", "failed", "cancelled"]);
const NAME = /^[A-Za-z_-]+$/;
const GONE = 410;
const UPLOAD_OVER = "upload_over";
const PROGRESS = "job.progress";

export interface AuteurOptions {
  /** The address of the API, such as `https://api.example.com`; default in Node.js: `AUTEUR_URL`. */
  url?: string;
  /** A token, an API key, or a function that returns one, called again after a 401; `AUTEUR_TOKEN`. */
  token?: Token;
  /** The address of event streams, if it is not `url`. Without streams, jobs are polled. */
  liveUrl?: string;
}

export interface Stoppable {
  /** Stops waiting; the work continues at the server. */
  signal?: AbortSignal;
}

export interface Repeatable extends Stoppable {
  /** The same key makes a repeated request have no second effect. Default: a random key. */
  idempotencyKey?: string;
}

export interface WaitOptions extends Stoppable {
  /** Called at each change of the job. */
  onProgress?: (job: Job) => void;
}

export interface UploadOptions extends Stoppable {
  projectId: string;
  /** The `mediaId` of an interrupted upload: only missing parts are sent. */
  resume?: string;
  /** Required for a `Blob`, which has no name. */
  filename?: string;
  onProgress?: (progress: UploadProgress) => void;
}

export interface EventsOptions extends Stoppable {
  /** The `seq` of the last event that you know; without it, events begin now. */
  after?: number;
}

/** The result of an openapi-fetch call. */
interface ApiResult<T> {
  data?: T;
  error?: unknown;
  response: Response;
}

/** Return the data of a call of `api`; throw a `ProblemError` if the API refused it. */
export async function unwrap<T>(result: Promise<ApiResult<T>>): Promise<T> {
  const { data, error, response } = await result;
  if (!response.ok) throw buildProblem(error, response);
  return data as T;
}

/** A client of Auteur for one user. */
export class Auteur {
  /** All operations of the contract, typed, with this client's token and retries. */
  readonly api: Api<paths>;
  readonly #transport: Transport;
  readonly #liveUrl: string;

  constructor(options: AuteurOptions = {}) {
    const url = (options.url ?? fromEnvironment("AUTEUR_URL")).replace(/\/+$/, "");
    this.#liveUrl = (options.liveUrl ?? url).replace(/\/+$/, "");
    this.#transport = new Transport(options.token ?? fromEnvironment("AUTEUR_TOKEN"));
    this.api = createClient<paths>({ baseUrl: url, fetch: this.#transport.send });
  }

  /** Upload a file into a project and return the checked media. Throws `UploadRejectedError`. */
  async upload(file: Blob, options: UploadOptions): Promise<Media> {
    const { projectId, resume, onProgress, signal } = options;
    const at = (mediaId: string) => ({
      params: { path: { project_id: projectId, media_id: mediaId } },
      ...withSignal(signal),
    });
    const fetchUpload = (mediaId: string): Promise<Upload> =>
      unwrap(this.api.GET("/projects/{project_id}/media/{media_id}/upload", at(mediaId)));
    let mediaId = resume;
    try {
      const upload = resume ? await fetchUpload(resume) : await this.#begin(file, options);
      mediaId = upload.media_id;
      await send(upload, { file, requestParts: () => fetchUpload(upload.media_id), onProgress, signal });
    } catch (error) {
      const isSent = error instanceof ProblemError && error.code === UPLOAD_OVER;
      if (!isSent || mediaId === undefined) throw error;
    }
    for (const ms of pollPauses()) {
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
        ...withSignal(signal),
      }),
    );
  }

  /** Submit a job, wait for its end and return it. Throws `JobFailedError`. */
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

  /** Submit a job. Throws `InsufficientCreditsError`. */
  submit<F extends Feature>(
    feature: F,
    parameters: Parameters<F>,
    { idempotencyKey, signal }: Repeatable = {},
  ): Promise<Submitted> {
    return this.#post<Submitted>(buildPath(feature), {
      body: parameters,
      ...(idempotencyKey === undefined
        ? {}
        : { params: { header: { "Idempotency-Key": idempotencyKey } } }),
      ...withSignal(signal),
    });
  }

  /** Return the price of a job; its `quote_id`, sent as a parameter, binds the price. */
  estimate<F extends Feature>(
    feature: F,
    parameters: Parameters<F>,
    { signal }: Stoppable = {},
  ): Promise<Estimate> {
    return this.#post<Estimate>(`${buildPath(feature)}/estimate`, { body: parameters, ...withSignal(signal) });
  }

  /** POST to a path that is known only at run time, because installations may add features. */
  #post<T>(path: string, init: object): Promise<T> {
    const post = this.api.POST as unknown as (path: string, init: object) => Promise<ApiResult<T>>;
    return unwrap(post(path, init));
  }

  /** Cancel a job that has not ended; it is refunded. */
  cancel(jobId: string, { signal }: Stoppable = {}): Promise<Job> {
    const params = { path: { job_id: jobId } };
    return unwrap(this.api.POST("/jobs/{job_id}/cancel", { params, body: {}, ...withSignal(signal) }));
  }

  /** Wait until a job has ended and return it, whether completed, failed or cancelled. */
  async wait(jobId: string, { onProgress, signal }: WaitOptions = {}): Promise<Job> {
    const params = { path: { job_id: jobId } };
    const fetchJob = async () => {
      const job = await unwrap(this.api.GET("/jobs/{job_id}", { params, ...withSignal(signal) }));
      onProgress?.(job);
      return job;
    };
    let job = await fetchJob();
    let streams = true;
    for (const ms of pollPauses()) {
      if (TERMINAL_STATUSES.has(job.status)) return job;
      if (streams) {
        try {
          for await (const event of this.#jobEvents(jobId, signal)) {
            if (event.type !== PROGRESS) job = await fetchJob();
            else onProgress?.((job = applyProgress(job, event)));
          }
        } catch (error) {
          signal?.throwIfAborted();
          streams = !(error instanceof NoStreamError); // other errors are thrown by the next request
        }
      }
      if (!TERMINAL_STATUSES.has(job.status)) {
        await pause(ms, signal);
        job = await fetchJob();
      }
    }
    return job;
  }

  async *#jobEvents(jobId: string, signal?: AbortSignal): AsyncGenerator<LogEvent | ProgressEvent> {
    const url = `${this.#liveUrl}/jobs/${encodeURIComponent(jobId)}/events`;
    for await (const { event, data } of messages(this.#transport, url, null, signal)) {
      if (event?.startsWith("job.")) yield parseEvent(event, data);
    }
  }

  /**
   * Yield the events of the user's jobs, each once, until you stop. Broken connections are opened
   * again after the last event. If `liveUrl` streams, progress of jobs is yielded between events.
   */
  async *events(options: EventsOptions = {}): AsyncGenerator<LogEvent | ProgressEvent> {
    const { signal } = options;
    let last = options.after ?? null;
    for (let failed = 0; ; ) {
      try {
        for await (const message of messages(this.#transport, ...this.#from(last), signal)) {
          failed = 0;
          if (message.event === "hello") last ??= (JSON.parse(message.data) as { seq: number }).seq;
          if (message.event === "events_removed") throw buildRemovedError(message.data);
          if (!message.event?.startsWith("job.")) continue;
          if (message.id) last = Number(message.id);
          yield parseEvent(message.event, message.data);
        }
      } catch (error) {
        signal?.throwIfAborted();
        if (error instanceof NoStreamError) break;
        if (error instanceof ProblemError && !isTemporary(error)) throw error;
        failed = Math.min(failed + 1, TRIES);
      }
      await pause(backoff(failed + 1), signal);
    }
    yield* this.#polledEvents(last, signal);
  }

  #from(last: number | null): [url: string, lastId: string | null] {
    return [`${this.#liveUrl}/events`, last === null ? null : String(last)];
  }

  async *#polledEvents(last: number | null, signal?: AbortSignal): AsyncGenerator<LogEvent> {
    let after = last ?? (await unwrap(this.api.GET("/events/head", withSignal(signal)))).seq;
    for (;;) {
      for (const ms of pollPauses()) {
        const params = { query: { after } };
        const { events } = await unwrap(this.api.GET("/events", { params, ...withSignal(signal) }));
        for (const event of events) {
          after = event.seq;
          yield event;
        }
        if (events.length) break;
        await pause(ms, signal);
      }
    }
  }

  /** Yield every row of a list, page by page: `iterate("jobs", { status: "failed" })`. */
  async *iterate<L extends List>(
    list: L,
    filters?: Filters<L>,
    { signal }: Stoppable = {},
  ): AsyncGenerator<Item<L>> {
    const entries = Object.entries(filters ?? {});
    const isInPath = ([name]: [string, unknown]) => list.includes(`{${name}}`);
    const path = Object.fromEntries(entries.filter(isInPath));
    const query: Record<string, unknown> = Object.fromEntries(
      entries.filter((entry) => !isInPath(entry)),
    );
    const get = this.api.GET as unknown as (
      path: string,
      init: object,
    ) => Promise<ApiResult<Record<string, unknown>>>;
    for (;;) {
      const page = await unwrap(get(`/${list}`, { params: { path, query }, ...withSignal(signal) }));
      const rows = Object.values(page).find(Array.isArray) as Item<L>[] | undefined;
      yield* rows ?? [];
      if (typeof page.next !== "string") return;
      query.cursor = new URL(page.next, "http://localhost").searchParams.get("cursor");
    }
  }

  /** Apply operations to this version of a timeline, all or none. Throws `StaleEditError`. */
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
      return await unwrap(this.api.PATCH(path, { params, body, ...withSignal(signal) }));
    } catch (error) {
      if (error instanceof StaleEditError) error.version = version;
      throw error;
    }
  }

  /** Download a media file, by object, id or signed URL; throw if it is incomplete. */
  async download(what: string | Pick<Media, "id">, { signal }: Stoppable = {}): Promise<Blob> {
    for (let failed = 1; ; failed++) {
      try {
        const url = await this.#downloadUrl(what, signal);
        const response = await fetch(url, signal ? { signal } : {});
        if (!response.ok) throw await readProblem(response);
        return await response.blob();
      } catch (error) {
        const isFinal = error instanceof ProblemError && !isTemporary(error);
        if (isFinal || failed === TRIES || signal?.aborted) throw error;
        await pause(backoff(failed), signal);
      }
    }
  }

  async #downloadUrl(what: string | Pick<Media, "id">, signal?: AbortSignal): Promise<string> {
    if (typeof what === "string" && /^https?:\/\/|^\//.test(what)) return what;
    const media_id = typeof what === "string" ? what : what.id;
    const params = { path: { media_id } };
    const media: MediaDetail = await unwrap(
      this.api.GET("/media/{media_id}", { params, ...withSignal(signal) }),
    );
    if (media.download_url) return media.download_url;
    throw new ProblemError("no_file", 0, `The media file is ${media.status}. Download it when it is ready.`);
  }
}

function fromEnvironment(name: string): string {
  const { process } = globalThis as { process?: { env: Record<string, string | undefined> } };
  const value = process?.env[name];
  if (!value) throw new TypeError(`The client needs an address and a token. Pass them, or set ${name}.`);
  return value;
}

/** Return the path of a feature, given by type (`lip_sync`) or as in its path (`lip-sync`). */
function buildPath(feature: string): string {
  if (!NAME.test(feature)) throw new TypeError(`${feature} is not the name of a feature.`);
  return `/jobs/${feature.replaceAll("_", "-")}`;
}

function withSignal(signal: AbortSignal | undefined): { signal?: AbortSignal } {
  return signal ? { signal } : {};
}

function parseEvent(type: string, data: string): LogEvent | ProgressEvent {
  const value: unknown = JSON.parse(data);
  return type === PROGRESS ? { type, data: value as ProgressEvent["data"] } : (value as LogEvent);
}

function buildRemovedError(data: string): ProblemError {
  const detail = "Events after this one were deleted. Read again from a later one.";
  const extra = JSON.parse(data) as Record<string, unknown>;
  return new ProblemError("events_removed", GONE, detail, [], null, extra);
}

/** Return the job with the values of a progress event. */
function applyProgress(job: Job, { data }: ProgressEvent): Job {
  return {
    ...job,
    status: "processing",
    progress: data.progress / 100,
    stage: data.stage,
    estimated_end_at: data.eta_at,
    queue_position: null,
  };
}
