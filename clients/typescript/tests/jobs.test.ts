import assert from "node:assert/strict";
import { test } from "node:test";

import { Auteur, InsufficientCreditsError, JobFailedError, ProblemError } from "../src/index.js";
import type { Job } from "../src/index.js";
import { auteur, collect, newProject, POOR_TOKEN, TOKEN, uploadSample, URL_ } from "./world.js";

test("a recording is transcribed, and its progress reports", async () => {
  const media = await uploadSample("interview.mp4", await newProject());
  const { credits, quote_id } = await auteur.estimate("transcription", { media_id: media.id });
  const reports: Job[] = [];
  const parameters = { media_id: media.id, language: "en", quote_id };
  const job = await auteur.run("transcription", parameters, {
    onProgress: (job) => reports.push(job),
  });
  assert.equal(job.status, "completed");
  assert.equal(job.credits_cost, credits);
  assert.ok(reports.length >= 2);
  assert.deepEqual(reports.at(-1), job);
});

test("a job that fails is an error with the job, which is refunded", async () => {
  const media = await uploadSample("broken.mp4", await newProject());
  await assert.rejects(auteur.run("transcription", { media_id: media.id }), (error) => {
    assert.ok(error instanceof JobFailedError);
    assert.equal(error.code, error.job.error?.code);
    assert.equal(error.job.credits_refunded, true);
    return true;
  });
});

test("where nothing streams, a job is polled to its end", async () => {
  const polling = new Auteur({ url: URL_, token: TOKEN });
  const job = await polling.run("tts", { text: "Nobody streams here." });
  assert.equal(job.status, "completed");
});

test("the same key is the same job", async () => {
  const options = { idempotencyKey: crypto.randomUUID() };
  const first = await auteur.submit("tts", { text: "Once." }, options);
  const second = await auteur.submit("tts", { text: "Once." }, options);
  assert.equal(first.job_id, second.job_id);
  const other = await auteur.submit("tts", { text: "Once." });
  assert.notEqual(first.job_id, other.job_id);
  await Promise.all([auteur.wait(first.job_id), auteur.wait(other.job_id)]);
});

test("a feature is known by its type as well", async () => {
  const estimate = await auteur.estimate("audio_generation", { prompt: "rain", duration_sec: 5 });
  assert.ok(estimate.credits > 0);
  // @ts-expect-error It is not the name of a feature.
  await assert.rejects(async () => auteur.estimate("../users/me", {}), TypeError);
});

test("a job can be cancelled, and is refunded", async () => {
  const { job_id } = await auteur.submit("audio-generation", { prompt: "rain", duration_sec: 30 });
  const job = await auteur.cancel(job_id);
  assert.equal(job.status, "cancelled");
  await assert.rejects(auteur.cancel(job_id), { name: "ProblemError", code: "job_finished" });
});

test("who has no credits is reports how many are needed", async () => {
  const poor = new Auteur({ url: URL_, token: POOR_TOKEN });
  await assert.rejects(poor.submit("tts", { text: "Too dear." }), (error) => {
    assert.ok(error instanceof InsufficientCreditsError);
    assert.equal(error.balance, 0);
    assert.ok(error.required > 0);
    return true;
  });
});

test("what is wrong with a field is reports", async () => {
  await assert.rejects(auteur.submit("tts", { text: "" }), (error) => {
    assert.ok(error instanceof ProblemError);
    assert.deepEqual(
      error.errors.map((item) => item.field),
      ["text"],
    );
    return true;
  });
});

test("waiting ends when its signal does; the job goes on", async () => {
  const { job_id } = await auteur.submit("tts", { text: "Nobody waits for me." });
  const signal = AbortSignal.abort();
  await assert.rejects(auteur.wait(job_id, { signal }), { name: "AbortError" });
  assert.equal((await auteur.wait(job_id)).status, "completed");
});

test("a list is read to its end, page by page", async () => {
  const names = new Set(["one", "two", "three"]);
  const projectId = await newProject();
  for (const name of names) {
    const { job_id } = await auteur.submit("tts", { text: name, project_id: projectId });
    await auteur.wait(job_id);
  }
  const filters = { project_id: projectId, limit: 2 };
  const jobs = await collect(auteur.iterate("jobs", filters));
  assert.equal(jobs.length, names.size);
  assert.equal(new Set(jobs.map((job) => job.id)).size, names.size);
  const media = await collect(auteur.iterate("projects/{project_id}/media", filters));
  assert.equal(media.length, names.size);
});
