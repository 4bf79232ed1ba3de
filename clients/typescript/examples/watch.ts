/** Follow the events of your jobs, until one of them has ended. */

import { Auteur } from "auteur-client";

const liveUrl = process.env.AUTEUR_LIVE_URL;
const auteur = new Auteur(liveUrl ? { liveUrl } : {}); // AUTEUR_URL and AUTEUR_TOKEN
const { job_id } = await auteur.submit("tts", { text: "Whoever hears this has waited." });

for await (const event of auteur.events({ after: 0 })) {
  if (event.type === "job.progress") console.log(`${event.data.job_id}: ${event.data.progress} %`);
  else console.log(`${event.seq} ${event.type} ${event.data.job_id}`);
  if (event.type === "job.completed" && event.data.job_id === job_id) break;
}

for await (const job of auteur.iterate("jobs", { status: "completed", limit: 10 })) {
  console.log(`${job.id} ${job.type} cost ${job.credits_cost}`);
}
