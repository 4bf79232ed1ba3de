/** Laying a film on the timeline, behind what is there. */

import { type Edl, type Media, type Operation, StaleEditError, unwrap } from "auteur-client";
import { client } from "./session";

/** A picture is shown for so long. */
const PICTURE_MS = 5_000;
/** Others who edit at the same time may come first so often. */
const TRIES = 5;

export function isEmpty(edl: Edl | null | undefined): boolean {
  return !edl?.tracks.some((track) => track.clips.length);
}

/** Add a file at the end of the first track of its kind, which is made if there is none. */
export async function append(projectId: string, media: Media): Promise<void> {
  const params = { path: { project_id: projectId } };
  for (let tried = 1; ; tried++) {
    const edl = await unwrap(client.api.GET("/projects/{project_id}/edl", { params }));
    try {
      await client.edit(projectId, operations(edl, media), { version: edl.version });
      return;
    } catch (error) {
      if (!(error instanceof StaleEditError) || tried === TRIES) throw error;
    }
  }
}

function operations(edl: Edl, media: Media): Operation[] {
  const type = media.type === "audio" ? "audio" : "video";
  const track = edl.tracks.find((each) => each.type === type);
  const track_id = track?.id ?? crypto.randomUUID();
  const start_ms = Math.max(0, ...(track?.clips ?? []).map((clip) => clip.start_ms + clip.duration_ms));
  const clip: Operation = {
    op: "add_clip",
    track_id,
    media_file_id: media.id,
    start_ms,
    in_point_ms: 0,
    out_point_ms: media.duration_ms || PICTURE_MS,
  };
  const name = type === "audio" ? "Sound" : "Film";
  return track ? [clip] : [{ op: "add_track", track_id, type, name }, clip];
}
