/** Put a film on a timeline, and handle a conflict with another editor. */

import { openAsBlob } from "node:fs";

import { Auteur, StaleEditError, unwrap, type Operation } from "auteur-client";

const [path = "interview.mp4"] = process.argv.slice(2);
const auteur = new Auteur(); // AUTEUR_URL and AUTEUR_TOKEN

const { id: projectId } = await unwrap(
  auteur.api.POST("/projects", { body: { name: "Two editors" } }),
);
const media = await auteur.upload(await openAsBlob(path), { projectId, filename: "film.mp4" });
const params = { path: { project_id: projectId } };
const { version } = await unwrap(auteur.api.GET("/projects/{project_id}/edl", { params }));

const addTrack: Operation = { op: "add_track", type: "video", name: "Film", track_id: "film" };
const addClip: Operation = {
  op: "add_clip",
  track_id: "film",
  media_file_id: media.id,
  start_ms: 0,
  in_point_ms: 0,
  out_point_ms: media.duration_ms ?? 1000,
};
await auteur.edit(projectId, [addTrack], { version });

try {
  await auteur.edit(projectId, [addClip], { version }); // the version is outdated, because a track was added
} catch (error) {
  if (!(error instanceof StaleEditError)) throw error;
  console.log(`made for version ${error.version}, but the current one is ${error.currentVersion}: retrying`);
  const edited = await auteur.edit(projectId, [addClip], { version: error.currentVersion });
  console.log(`version ${edited.version}, ${edited.duration_ms} ms long`);
}
