/** Transcribe a recording: `node transcribe.js interview.mp4`. */

import { openAsBlob } from "node:fs";
import { basename } from "node:path";

import { Auteur, InsufficientCreditsError, JobFailedError, unwrap } from "auteur-client";

const [path = "interview.mp4"] = process.argv.slice(2);
const liveUrl = process.env.AUTEUR_LIVE_URL;
const auteur = new Auteur(liveUrl ? { liveUrl } : {}); // AUTEUR_URL and AUTEUR_TOKEN

try {
  const project = await unwrap(auteur.api.POST("/projects", { body: { name: basename(path) } }));
  const media = await auteur.upload(await openAsBlob(path), {
    projectId: project.id,
    filename: basename(path),
    onProgress: ({ sentBytes, totalBytes }) => console.log(`sent ${sentBytes} of ${totalBytes}`),
  });
  const parameters = { media_id: media.id, language: "en" };
  const { credits } = await auteur.estimate("transcription", parameters);
  console.log(`it costs ${credits} credits`);
  await auteur.run("transcription", parameters, {
    onProgress: (job) => console.log(`${job.status} ${Math.round(100 * job.progress)} %`),
  });
  const { segments } = await unwrap(
    auteur.api.GET("/projects/{project_id}/transcript", {
      params: { path: { project_id: project.id } },
    }),
  );
  for (const segment of segments) console.log(`${segment.speaker}: ${segment.text}`);
} catch (error) {
  if (error instanceof InsufficientCreditsError) {
    console.error(`The job costs ${error.required} credits, but you have ${error.balance}.`);
  } else if (error instanceof JobFailedError) {
    console.error(`The job failed and was refunded: ${error.detail}`);
  } else throw error;
  process.exitCode = 1;
}
