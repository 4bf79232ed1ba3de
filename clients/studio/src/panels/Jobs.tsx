/** What was asked for: how far it is, what it made, what failed and why, and what it cost. */

import { type Job, unwrap } from "auteur-client";
import { loadBalance } from "../shell/account";
import { attempt } from "../shell/connection";
import { credits, percent, until, when, words } from "../shell/format";
import { Icon } from "../shell/icons";
import { type AnyJob, hasEnded, type ProjectStore } from "../shell/project";
import { client } from "../shell/session";
import { previewed } from "./Preview";

const STAGES: Record<string, string> = { queued: "In the queue" };

export function JobsPanel({ store }: { store: ProjectStore }) {
  const jobs = store.jobs.value;
  if (!jobs.length) {
    return <p class="empty">Nothing was asked for yet. What you start shows here, with its progress and its result.</p>;
  }
  return (
    <ul class="jobs">
      {jobs.map((job) => <JobRow key={job.id} job={job} store={store} />)}
    </ul>
  );
}

function JobRow({ job, store }: { job: AnyJob; store: ProjectStore }) {
  const act = (path: "/jobs/{job_id}/cancel" | "/jobs/{job_id}/retry") => () =>
    attempt(async () => {
      await unwrap(client.api.POST(path, { params: { path: { job_id: job.id } } }));
      await Promise.all([store.loadJobs(), loadBalance()]);
    });
  const isOpen = !hasEnded(job);
  const canRetry = job.status === "failed" || job.status === "cancelled";
  return (
    <li class="job" data-status={job.status}>
      <div class="job-head">
        <strong>{words(job.type)}</strong>
        <span class={`chip chip-${job.status}`}>{words(job.status)}</span>
        <span class="spring" />
        <small class="muted">{when(job.created_at)}</small>
      </div>
      {isOpen && <progress value={job.progress || undefined} max={1} aria-label={`Progress of ${words(job.type)}`} />}
      <p class="job-line muted" role={isOpen ? "status" : undefined}>{standing(job)}</p>
      {job.error && (
        <p class="wrong">
          {job.error.message} <code>{job.error.code}</code>
        </p>
      )}
      <Result job={job} store={store} />
      <div class="job-foot">
        <small class="muted">
          {credits(job.credits_cost)}
          {job.credits_refunded && <span class="refund"> refunded</span>}
        </small>
        <span class="spring" />
        {isOpen && <button type="button" class="quiet" onClick={act("/jobs/{job_id}/cancel")}>Cancel</button>}
        {canRetry && !job.retries.length && (
          <button type="button" class="quiet" onClick={act("/jobs/{job_id}/retry")}>
            <Icon name="retry" /> Try again · {credits(job.credits_cost)}
          </button>
        )}
      </div>
    </li>
  );
}

function Result({ job, store }: { job: AnyJob; store: ProjectStore }) {
  if (job.status !== "completed") return null;
  const output = job.output_data;
  if (!output) {
    return (
      <button type="button" class="link" onClick={() => attempt(() => store.loadJob(job.id))}>Show the result</button>
    );
  }
  return (
    <div class="result">
      {"answer" in output && <p dir="auto">{output.answer}</p>}
      {"segments_count" in output && <p>{output.segments_count || "No"} segments of speech were found.</p>}
      {"media" in output &&
        output.media.map((file) => (
          <button key={file.id} type="button" class="quiet" onClick={() => (previewed.value = file.id)}>
            <Icon name="play" /> <span dir="auto">{file.name}</span>
          </button>
        ))}
    </div>
  );
}

function standing(job: AnyJob): string {
  if (hasEnded(job)) return "";
  const stage = job.stage ? (STAGES[job.stage] ?? words(job.stage)) : words(job.status);
  return [
    stage,
    job.progress ? percent(job.progress) : "",
    job.queue_position ? `place ${job.queue_position} in the queue` : "",
    until((job as Partial<Job>).estimated_end_at ?? null),
    job.restarted ? `started over: ${words(job.restarted)}` : "",
  ]
    .filter(Boolean)
    .join(" · ");
}

