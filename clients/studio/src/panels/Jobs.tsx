/** The jobs of the project: progress, results, errors and cost. */

import { type Job, type Media, unwrap } from "auteur-client";
import { useEffect, useRef } from "preact/hooks";
import { loadBalance } from "../shell/account";
import { attempt } from "../shell/connection";
import { credits, percent, until, when, words } from "../shell/format";
import { Icon, iconOf } from "../shell/icons";
import { type AnyJob, hasEnded, type ProjectStore } from "../shell/project";
import { client } from "../shell/session";
import { featureName } from "../shell/wording";
import { MediaView } from "./MediaView";

interface JobsPanelProps {
  store: ProjectStore;
  /** Put a file at the end of the timeline. */
  onAdd: (media: Media) => void;
}

export function JobsPanel({ store, onAdd }: JobsPanelProps) {
  const jobs = store.jobs.value;
  if (!jobs.length) {
    return <p class="empty">No jobs yet. What you start in Tools appears here, with its progress and its result.</p>;
  }
  return (
    <ul class="jobs">
      {jobs.map((job) => <JobRow key={job.id} job={job} store={store} onAdd={onAdd} />)}
    </ul>
  );
}

function JobRow({ job, store, onAdd }: JobsPanelProps & { job: AnyJob }) {
  const act = (path: "/jobs/{job_id}/cancel" | "/jobs/{job_id}/retry") => () =>
    attempt(async () => {
      await unwrap(client.api.POST(path, { params: { path: { job_id: job.id } } }));
      await Promise.all([store.loadJobs(), loadBalance()]);
    });
  const isOpen = !hasEnded(job);
  const canRetry = job.status === "failed" || job.status === "cancelled";
  const name = featureName(job.type);
  return (
    <li class="job" data-status={job.status}>
      <div class="job-head">
        <Icon name={iconOf(job.type)} />
        <strong>{name}</strong>
        <span class={`chip chip-${job.status}`}>{words(job.status)}</span>
        <span class="spring" />
        <small class="muted">{when(job.created_at)}</small>
      </div>
      {isOpen && <progress value={job.progress || undefined} max={1} aria-label={`Progress of ${name}`} />}
      <p class="job-line muted" role={isOpen ? "status" : undefined}>{stateOf(job)}</p>
      {job.error && (
        <p class="wrong">
          {job.error.message} <code>{job.error.code}</code>
        </p>
      )}
      {job.status === "completed" && <Result job={job} store={store} onAdd={onAdd} />}
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

/** The result of a job; lists omit results, so it is read when its row is visible. */
function Result({ job, store, onAdd }: JobsPanelProps & { job: AnyJob }) {
  const row = useRef<HTMLDivElement>(null);
  const output = job.output_data;
  const isRead = "output_data" in job;
  useEffect(() => {
    if (isRead) return;
    const observer = new IntersectionObserver(([entry]) => {
      if (!entry!.isIntersecting) return;
      observer.disconnect();
      void attempt(() => store.loadJob(job.id));
    });
    observer.observe(row.current!);
    return () => observer.disconnect();
  }, [isRead]);
  if (!isRead) return <div class="result" ref={row}><p class="muted">Loading the result …</p></div>;
  if (!output) return <p class="muted">The result is no longer stored.</p>;
  return (
    <div class="result">
      {"answer" in output && output.answer && <p dir="auto">{output.answer}</p>}
      {"segments_count" in output && <p>{found(output.segments_count ?? 0)}</p>}
      {"media" in output &&
        output.media.map((file) => {
          const media = store.ready.value.find(({ id }) => id === file.id);
          return (
            <MediaView key={file.id} mediaId={file.id} still={media?.thumbnail_url} isCompact>
              {media && (
                <button type="button" aria-label={`Add ${file.name} to the timeline`} onClick={() => onAdd(media)}>
                  <Icon name="plus" /> Timeline
                </button>
              )}
            </MediaView>
          );
        })}
    </div>
  );
}

function found(segments: number): string {
  if (!segments) return "No speech was found.";
  return segments === 1 ? "1 passage of speech is in the transcript." : `${segments} passages of speech are in the transcript.`;
}

const STAGES: Record<string, string> = { queued: "In the queue" };

function stateOf(job: AnyJob): string {
  if (hasEnded(job)) return "";
  const stage = job.stage ? (STAGES[job.stage] ?? words(job.stage)) : words(job.status);
  return [
    stage,
    job.progress ? percent(job.progress) : "",
    job.queue_position ? `place ${job.queue_position} in the queue` : "",
    until((job as Partial<Job>).estimated_end_at ?? null),
    job.restarted ? `started over: ${job.restarted}` : "",
  ]
    .filter(Boolean)
    .join(" · ");
}
