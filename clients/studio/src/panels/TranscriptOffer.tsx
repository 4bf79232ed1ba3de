/** The offer to transcribe a file of the timeline that has no transcript yet, with the price on the button. */

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { MediaDetail } from "auteur-client";
import type { EditorStore } from "../editor";
import { featureOf } from "../shell/account";
import { attempt } from "../shell/connection";
import { credits, percent } from "../shell/format";
import { Icon } from "../shell/icons";
import { reason } from "../shell/notices";
import type { ProjectStore } from "../shell/project";
import { client } from "../shell/session";
import type { Parameter } from "../shell/types";
import { wordingOf } from "../shell/wording";

const FEATURE = "transcription";
const LANGUAGE_KEY = "auteur.language";
const DEFAULT_LANGUAGE = "en";

interface TranscriptOfferProps {
  store: ProjectStore;
  cut: EditorStore;
}

export function TranscriptOffer({ store, cut }: TranscriptOfferProps) {
  const job = store.openJobs.value.find(({ type }) => type === FEATURE);
  const media = findUntranscribed(store, cut);
  if (job) {
    return (
      <div class="offer">
        <p role="status">Transcribing … {job.progress ? percent(job.progress) : ""}</p>
        <progress value={job.progress || undefined} max={1} aria-label="Progress of the transcription" />
      </div>
    );
  }
  return media ? <Offer key={media.id} store={store} media={media} /> : null;
}

function Offer({ store, media }: { store: ProjectStore; media: MediaDetail }) {
  const feature = featureOf(FEATURE);
  const languages = feature
    ? (wordingOf(feature, "language", feature.parameters.language as Parameter).choices ?? {})
    : {};
  const language = useSignal(firstLanguage(languages));
  const price = useSignal<{ credits: number; quoteId: string } | null>(null);
  const problem = useSignal("");
  const isBusy = useSignal(false);
  const body = { media_id: media.id, project_id: store.id, language: language.value };
  const isOffered = feature !== undefined && feature.available;
  useEffect(() => {
    if (!isOffered) return;
    const stop = new AbortController();
    price.value = null;
    problem.value = "";
    client.estimate(FEATURE, body, { signal: stop.signal }).then(
      (estimate) => (price.value = { credits: estimate.credits, quoteId: estimate.quote_id }),
      (error: unknown) => stop.signal.aborted || (problem.value = reason(error)),
    );
    return () => stop.abort();
  }, [isOffered, language.value]);
  if (!isOffered) return null;
  const start = async (event: Event) => {
    event.preventDefault();
    isBusy.value = true;
    try {
      await client.submit(FEATURE, { ...body, ...(price.value ? { quote_id: price.value.quoteId } : {}) });
    } catch (error) {
      problem.value = reason(error);
    }
    isBusy.value = false;
    await attempt(() => store.loadJobs());
  };
  const choose = (event: Event) => {
    language.value = (event.currentTarget as HTMLSelectElement).value;
    localStorage.setItem(LANGUAGE_KEY, language.value);
  };
  return (
    <form class="offer" onSubmit={start}>
      <p><strong dir="auto">{media.name}</strong> has no transcript yet. With one you cut the video by its words.</p>
      <div class="offer-row">
        <select aria-label="Spoken language" value={language.value} onInput={choose}>
          {Object.entries(languages).map(([code, name]) => <option key={code} value={code}>{name}</option>)}
        </select>
        <button class="primary" disabled={isBusy.value}>
          <Icon name="text" /> Transcribe{price.value && <span class="price"> · {credits(price.value.credits)}</span>}
        </button>
      </div>
      {problem.value && <p class="wrong" role="alert">{problem.value}</p>}
    </form>
  );
}

/** Return the first file on the timeline that may have speech and has no transcript. */
function findUntranscribed(store: ProjectStore, cut: EditorStore): MediaDetail | undefined {
  const { tracks = [], transcript } = cut.edl.value ?? {};
  const done = new Set(transcript?.segments.map((segment) => segment.media_file_id));
  for (const job of store.jobs.value) {
    if (job.type !== FEATURE || !job.output_data || !job.input_params) continue;
    if ("media_id" in job.input_params) done.add(job.input_params.media_id);
  }
  const clips = tracks.flatMap((track) => track.clips).filter((clip) => !clip.deleted && !clip.offline);
  const used = new Set(clips.map((clip) => clip.media_file_id).filter((id) => !done.has(id)));
  return [...used]
    .map((id) => cut.media.value.get(id))
    .find((media) => media && media.type !== "image" && media.metadata.has_audio !== false && !media.origin);
}

/** The language that was chosen last, else the browser's, else English. */
function firstLanguage(languages: Record<string, string>): string {
  const candidates = [localStorage.getItem(LANGUAGE_KEY), navigator.language.split("-")[0], DEFAULT_LANGUAGE];
  return candidates.find((code) => code && code in languages) ?? DEFAULT_LANGUAGE;
}
