// A recording in, captions and a film without pauses out.
// Needs the package `auteur-client`, AUTEUR_URL and AUTEUR_TOKEN.
import { openAsBlob } from "node:fs";
import { writeFile } from "node:fs/promises";
import { basename } from "node:path";

// --8<-- [start:client]
import { Auteur, unwrap } from "auteur-client";

const auteur = new Auteur();
// --8<-- [end:client]

const [file, film] = process.argv.slice(2) as [string, string];

// --8<-- [start:project]
const project = await unwrap(auteur.api.POST("/projects", { body: { name: "My film" } }));
// --8<-- [end:project]

// --8<-- [start:upload]
const media = await auteur.upload(await openAsBlob(file), {
  projectId: project.id,
  filename: basename(file),
});
// --8<-- [end:upload]

// --8<-- [start:estimate]
const asked = { media_id: media.id, language: "en" };
const quote = await auteur.estimate("transcription", asked);
console.log(quote.credits);
// --8<-- [end:estimate]

// --8<-- [start:transcribe]
await auteur.run("transcription", asked, {
  onProgress: (job) => console.log(job.status, job.progress),
  idempotencyKey: `transcribe-${media.id}`,
});
// --8<-- [end:transcribe]

// --8<-- [start:captions]
const at = { params: { path: { project_id: project.id } } };
const captions = await unwrap(
  auteur.api.GET("/projects/{project_id}/transcript.srt", { ...at, parseAs: "text" }),
);
console.log(captions);
// --8<-- [end:captions]

// --8<-- [start:cut]
const { version } = await unwrap(auteur.api.GET("/projects/{project_id}/edl", at));
const edited = await auteur.edit(
  project.id,
  [
    { op: "add_track", track_id: "v1", type: "video", name: "Video 1" },
    {
      op: "add_clip",
      track_id: "v1",
      media_file_id: media.id,
      start_ms: 0,
      in_point_ms: 0,
      out_point_ms: media.duration_ms ?? 0,
    },
    { op: "cut_fillers" },
    { op: "cut_silences", threshold_ms: 500 },
  ],
  { version },
);
console.log(edited.version, edited.duration_ms, edited.removed);
// --8<-- [end:cut]

// --8<-- [start:render]
const { output_data } = await auteur.run("render", { project_id: project.id, proxy: true });
const blob = await auteur.download(output_data!.media[0]!.id);
await writeFile(film, new Uint8Array(await blob.arrayBuffer()));
// --8<-- [end:render]
