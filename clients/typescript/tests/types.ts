/** What must compile and what must not; nothing here is run. */

import type { Auteur } from "../src/index.js";

export async function features(auteur: Auteur, mediaId: string): Promise<void> {
  await auteur.estimate("image-generation", { prompt: "rain" });
  await auteur.submit("image_generation", { prompt: "rain" });
  // @ts-expect-error There is no such feature.
  await auteur.run("txt-to-speech", { text: "Good morning" });
  // @ts-expect-error There is no such feature.
  await auteur.submit("txt_to_speech", { text: "Good morning" });
  // @ts-expect-error There is no such feature.
  await auteur.estimate("lip-sink", {});
  // @ts-expect-error Text to speech has no such parameter.
  await auteur.run("tts", { txt: "Good morning" });

  const speech = await auteur.run("tts", { text: "Good morning" });
  const type: "tts" = speech.type;
  const text: string | undefined = speech.input_params?.text;
  const query = await auteur.run("video_query", { video_media_id: mediaId, question: "Who speaks?" });
  const answer: string | undefined = query.output_data?.answer;
  // @ts-expect-error Text to speech answers no question.
  const none = speech.output_data?.answer;
  return void [type, text, answer, none];
}
