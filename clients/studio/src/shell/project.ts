/** A project that is open: its media and jobs, kept up to date by the server's events. */

import { computed, effect, type ReadonlySignal, signal, untracked } from "@preact/signals";
import { type Job, type Media, unwrap } from "auteur-client";
import { loadBalance } from "./account";
import { attempt, listen, missed, type Told } from "./connection";
import { client } from "./session";
import type { JobSummary, ProjectDetail } from "./types";
import { arrived } from "./uploads";

/** The most jobs and the most media that are shown, the newest first. */
const MAX_SHOWN = 200;
const LOOK_MS = 1_500;
/** How long after an upload its pictures may still appear. */
const PICTURES_MS = 60_000;
const ENDED = new Set<JobSummary["status"]>(["completed", "failed", "cancelled"]);

/** Jobs: summaries from the list, complete after their first event. */
export type AnyJob = JobSummary & Partial<Omit<Job, keyof JobSummary>>;

export class ProjectStore {
  readonly project = signal<ProjectDetail | null>(null);
  readonly media = signal<Media[]>([]);
  readonly jobs = signal<AnyJob[]>([]);
  readonly isLoaded = signal(false);
  /** Counts the results of jobs that were added to the project. */
  readonly delivered = signal(0);
  readonly openJobs = computed(() => this.jobs.value.filter((job) => !ENDED.has(job.status)));
  readonly ready = computed(() => this.media.value.filter((media) => media.status === "ready"));
  readonly #ends: (() => void)[] = [];
  /** Files that were refused before the project was opened are not listed. */
  #refusedBefore: Set<string> | null = null;

  constructor(readonly id: string) {
    this.#ends.push(listen((event) => void this.#hear(event)));
    this.#ends.push(onGrowth(missed, () => this.#reload()));
    this.#ends.push(onGrowth(arrived, () => this.loadMedia()));
    const timer = setInterval(() => {
      if (this.media.value.some(isChanging)) void attempt(() => this.loadMedia());
    }, LOOK_MS);
    this.#ends.push(() => clearInterval(timer));
  }

  async load(): Promise<void> {
    const params = { path: { project_id: this.id } };
    const [project] = await Promise.all([
      unwrap(client.api.GET("/projects/{project_id}", { params })),
      this.loadMedia(),
      this.loadJobs(),
    ]);
    this.project.value = project;
    this.isLoaded.value = true;
  }

  async loadMedia(): Promise<void> {
    const filters = { project_id: this.id, sort: "-created_at" } as const;
    const files = await takeFirst(client.iterate("projects/{project_id}/media", filters));
    const refused = files.filter((media) => media.status === "rejected").map((media) => media.id);
    const hidden = (this.#refusedBefore ??= new Set(refused));
    this.media.value = files.filter((media) => !hidden.has(media.id));
  }

  async loadJobs(): Promise<void> {
    const current = new Map(this.jobs.value.map((job) => [job.id, job]));
    const listed = await takeFirst(client.iterate("jobs", { project_id: this.id, sort: "-created_at" }));
    this.jobs.value = listed.map((job) => ({ ...current.get(job.id), ...job }));
  }

  /** Read one complete job. */
  async loadJob(jobId: string): Promise<void> {
    const params = { path: { job_id: jobId } };
    this.#put(await unwrap(client.api.GET("/jobs/{job_id}", { params })));
  }

  async rename(name: string): Promise<void> {
    const params = { path: { project_id: this.id } };
    const changed = await unwrap(
      client.api.PATCH("/projects/{project_id}", { params, body: { name } }),
    );
    this.project.value = { ...this.project.value!, ...changed };
  }

  close(): void {
    for (const end of this.#ends) end();
  }

  async #reload(): Promise<void> {
    await Promise.all([this.load(), loadBalance()]);
    this.delivered.value++;
  }

  async #hear({ type, data }: Told): Promise<void> {
    const current = this.jobs.value.find((job) => job.id === data.job_id);
    if (type === "job.progress") {
      if (current && !ENDED.has(current.status)) this.#put(running(current, data));
      return;
    }
    if (!current && data.project_id !== this.id) return;
    await attempt(async () => {
      await Promise.all([this.loadJob(data.job_id), loadBalance()]);
      if (type !== "job.completed") return;
      await this.loadMedia();
      this.delivered.value++;
    });
  }

  #put(job: AnyJob): void {
    const others = this.jobs.value.filter((other) => other.id !== job.id);
    this.jobs.value = [...others, job].sort((a, b) => b.created_at.localeCompare(a.created_at));
  }
}

/** Load something whenever a counter grows, without subscribing to what it reads. */
function onGrowth(count: ReadonlySignal<number>, load: () => Promise<void>): () => void {
  const begun = count.peek();
  return effect(() => {
    if (count.value > begun) untracked(() => void attempt(load));
  });
}

export function hasEnded(job: AnyJob): boolean {
  return ENDED.has(job.status);
}

function running(job: AnyJob, data: Extract<Told, { type: "job.progress" }>["data"]): AnyJob {
  const { progress, stage, eta_at } = data;
  return {
    ...job,
    status: "processing",
    progress: Math.max(job.progress, progress / 100),
    stage,
    estimated_end_at: eta_at,
    queue_position: null,
  };
}

function isChanging(media: Media): boolean {
  if (media.status === "checking") return true;
  if (media.status === "uploading") return media.import !== null;
  const isYoung = Date.now() - Date.parse(media.created_at) < PICTURES_MS;
  return media.status === "ready" && media.type !== "audio" && !media.thumbnail_url && isYoung;
}

async function takeFirst<T>(list: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of list) {
    items.push(item);
    if (items.length === MAX_SHOWN) break;
  }
  return items;
}
