import assert from "node:assert/strict";
import { test } from "node:test";

import { NotSignedInError, ProblemError, UploadRejectedError } from "../src/index.js";
import type { UploadProgress } from "../src/index.js";
import { auteur, newProject, silence, uploadSample } from "./world.js";

const MIB = 1024 ** 2;

test("a file becomes media that is ready, and the same bytes are downloaded", async () => {
  const file = silence(MIB);
  const reports: UploadProgress[] = [];
  const media = await auteur.upload(file, {
    projectId: await newProject(),
    filename: "silence.wav",
    onProgress: (progress) => reports.push(progress),
  });
  assert.equal(media.status, "ready");
  assert.equal(media.name, "silence.wav");
  assert.deepEqual(reports.at(0), { mediaId: media.id, sentBytes: 0, totalBytes: file.size });
  assert.deepEqual(reports.at(-1), { mediaId: media.id, sentBytes: file.size, totalBytes: file.size });

  for (const what of [media, media.id]) {
    const blob = await auteur.download(what);
    assert.deepEqual(await blob.arrayBuffer(), await file.arrayBuffer());
  }
});

test("a large file goes in parts; broken off, only what is missing is sent", async () => {
  const file = silence(101 * MIB);
  const projectId = await newProject();
  const stop = new AbortController();
  let last: UploadProgress | null = null;
  const upload = auteur.upload(file, {
    projectId,
    filename: "long.wav",
    signal: stop.signal,
    onProgress: (progress) => {
      last = progress;
      if (progress.sentBytes >= 32 * MIB) stop.abort();
    },
  });
  await assert.rejects(upload, { name: "AbortError" });
  const { mediaId, sentBytes } = last as unknown as UploadProgress;
  assert.ok(sentBytes < file.size);

  const reports: UploadProgress[] = [];
  const media = await auteur.upload(file, {
    projectId,
    resume: mediaId,
    filename: "long.wav",
    onProgress: (progress) => reports.push(progress),
  });
  assert.equal(media.id, mediaId);
  assert.equal(media.file_size_bytes, file.size);
  assert.ok(reports[0]!.sentBytes >= 32 * MIB, "parts that had arrived are not sent again");
});

test("an upload is not resumed with another file", async () => {
  const projectId = await newProject();
  const stop = new AbortController();
  let mediaId = "";
  const upload = auteur.upload(silence(101 * MIB), {
    projectId,
    filename: "a.wav",
    signal: stop.signal,
    onProgress: (progress) => ((mediaId = progress.mediaId), stop.abort()),
  });
  await assert.rejects(upload, { name: "AbortError" });
  const other = auteur.upload(silence(102 * MIB), { projectId, resume: mediaId });
  await assert.rejects(other, { name: "ProblemError", code: "another_file" });
});

test("what is already confirmed is not sent again", async () => {
  const projectId = await newProject();
  const media = await uploadSample("interview.mp4", projectId);
  const again = await auteur.upload(new Blob(), { projectId, resume: media.id });
  assert.equal(again.id, media.id);
});

test("a file that is no film is refused, and why", async () => {
  const file = new File(["no film at all"], "film.mp4", { type: "video/mp4" });
  await assert.rejects(auteur.upload(file, { projectId: await newProject() }), (error) => {
    assert.ok(error instanceof UploadRejectedError);
    assert.ok(error.reason && error.detail);
    return true;
  });
});

test("a media file of nobody's cannot be downloaded", async () => {
  const nobodys = "00000000-0000-4000-8000-000000000000";
  await assert.rejects(auteur.download(nobodys), (error) => {
    assert.ok(error instanceof ProblemError && !(error instanceof NotSignedInError));
    assert.equal(error.status, 404);
    assert.ok(error.requestId);
    return true;
  });
});
