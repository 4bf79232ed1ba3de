import assert from "node:assert/strict";
import { test } from "node:test";

import { Auteur, NotSignedInError, StaleEditError, unwrap } from "../src/index.js";
import type { LogEvent, ProgressEvent } from "../src/index.js";
import { Proxy } from "./proxy.js";
import { auteur, collect, LIVE_URL, newProject, silence, TOKEN, URL_ } from "./world.js";

const KEY = "idempotency-key";

test("an answer that is lost is asked for again: one job, charged once", async () => {
  using proxy = await Proxy.to(URL_);
  const client = new Auteur({ url: proxy.url, token: TOKEN, liveUrl: LIVE_URL });
  proxy.hurt("POST", "/jobs/tts", "lose-answer");
  proxy.hurt("POST", "/jobs/tts", { status: 502 });
  const { job_id } = await client.submit("tts", { text: "Only once." });
  await client.wait(job_id);

  const keys = proxy.seen.filter((request) => request.path === "/jobs/tts").map((request) => request.headers[KEY]);
  assert.equal(keys.length, 3);
  assert.equal(new Set(keys).size, 1);
  const rows = await collect(client.iterate("credits/history", { limit: 10 }), 10);
  assert.equal(rows.filter((row) => row.job_id === job_id).length, 1);
});

test("who asks too much waits as long as he is reports", async () => {
  using proxy = await Proxy.to(URL_);
  const client = new Auteur({ url: proxy.url, token: TOKEN });
  proxy.hurt("GET", "/credits", { status: 429, headers: { "Retry-After": "1" } });
  const began = Date.now();
  await unwrap(client.api.GET("/credits"));
  assert.ok(Date.now() - began >= 1000);
  assert.equal(proxy.count("GET", "/credits"), 2);
});

test("nobody waits an hour: a long Retry-After is an error at once", async () => {
  using proxy = await Proxy.to(URL_);
  const client = new Auteur({ url: proxy.url, token: TOKEN });
  proxy.hurt("GET", "/credits", { status: 503, headers: { "Retry-After": "3600" } });
  await assert.rejects(unwrap(client.api.GET("/credits")), { status: 503 });
});

test("what cannot be repeated is not: an edit of no version", async () => {
  using proxy = await Proxy.to(URL_);
  const client = new Auteur({ url: proxy.url, token: TOKEN });
  const params = { path: { project_id: await newProject() } };
  const body = { operations: [{ op: "add_track", type: "video", name: "V" } as const] };
  proxy.hurt("PATCH", "/projects", "lose-answer");
  await assert.rejects(client.api.PATCH("/projects/{project_id}/edl", { params, body }), TypeError);
  assert.equal(proxy.count("PATCH", "/projects"), 1);
});

test("an edit whose answer is lost is made once, and is not stale for that", async () => {
  using proxy = await Proxy.to(URL_);
  const client = new Auteur({ url: proxy.url, token: TOKEN });
  const projectId = await newProject();
  const params = { path: { project_id: projectId } };
  const { version } = await unwrap(client.api.GET("/projects/{project_id}/edl", { params }));
  proxy.hurt("PATCH", "/projects", "lose-answer");
  const edited = await client.edit(projectId, [{ op: "add_track", type: "video", name: "V" }], { version });
  assert.equal(proxy.count("PATCH", "/projects"), 2);
  assert.equal(edited.version, version + 1);
});

test("a token that ended is replaced, once for all who wait for it", async () => {
  const tokens = ["not-good", TOKEN];
  let calls = 0;
  const client = new Auteur({ url: URL_, token: () => tokens[calls++]! });
  await Promise.all([1, 2, 3].map(() => unwrap(client.api.GET("/credits"))));
  assert.equal(calls, 2);
});

test("who is not signed in is reports so, without the token", async () => {
  const client = new Auteur({ url: URL_, token: "not-good-at-all" });
  await assert.rejects(unwrap(client.api.GET("/credits")), (error) => {
    assert.ok(error instanceof NotSignedInError);
    assert.ok(!JSON.stringify([error, String(error), error.stack]).includes("not-good-at-all"));
    return true;
  });
});

test("a stale edit is refused with both versions", async () => {
  const projectId = await newProject();
  const { version } = await unwrap(
    auteur.api.GET("/projects/{project_id}/edl", { params: { path: { project_id: projectId } } }),
  );
  const operations = [{ op: "add_track", type: "video", name: "V" } as const];
  const edited = await auteur.edit(projectId, operations, { version });
  assert.ok(edited.version > version);
  await assert.rejects(auteur.edit(projectId, operations, { version }), (error) => {
    assert.ok(error instanceof StaleEditError);
    assert.deepEqual([error.version, error.currentVersion], [version, edited.version]);
    return true;
  });
});

test("a download that breaks off is no download", async () => {
  using proxy = await Proxy.to(URL_);
  const media = await auteur.upload(silence(1024 ** 2), {
    projectId: await newProject(),
    filename: "a.wav",
  });
  const params = { path: { media_id: media.id } };
  const { download_url } = await unwrap(auteur.api.GET("/media/{media_id}", { params }));
  const url = download_url!.replace(URL_, proxy.url);
  proxy.hurt("GET", "/storage", "truncate");
  const blob = await auteur.download(url);
  assert.equal(blob.size, 1024 ** 2 + 44);
  assert.equal(proxy.count("GET", "/storage"), 2);
});

test("events go on after the last one when a connection breaks", async () => {
  using proxy = await Proxy.to(LIVE_URL);
  const client = new Auteur({ url: URL_, token: TOKEN, liveUrl: proxy.url });
  const { seq } = await unwrap(client.api.GET("/events/head"));
  const seen: (LogEvent | ProgressEvent)[] = [];
  const stop = new AbortController();
  let expected = "";
  const following = (async () => {
    for await (const event of client.events({ after: seq, signal: stop.signal })) {
      seen.push(event);
      proxy.cut();
      if (event.type === "job.completed" && event.data.job_id === expected) break;
    }
  })();
  const { job_id } = await auteur.submit("tts", { text: "Cut off again and again." });
  expected = job_id;
  await following;
  const numbers = seen.flatMap((event) => ("seq" in event ? [event.seq] : []));
  assert.deepEqual(
    numbers,
    numbers.map((_, n) => seq + 1 + n),
  );
  assert.ok(proxy.count("GET", "/events") > 1);
});

test("events begin now, and are polled where nothing streams", async () => {
  const client = new Auteur({ url: URL_, token: TOKEN });
  const events = client.events();
  const first = events.next();
  await new Promise((done) => setTimeout(done, 500));
  const { job_id } = await auteur.submit("tts", { text: "Polled." });
  const { value } = await first;
  assert.deepEqual([value?.type, value?.data.job_id], ["job.requested", job_id]);
  await events.return(undefined);
  await auteur.wait(job_id);
});

test("events end with their signal", async () => {
  const stop = new AbortController();
  const next = auteur.events({ signal: stop.signal }).next();
  setTimeout(() => stop.abort(), 200);
  await assert.rejects(next, { name: "AbortError" });
});
