/** What was brought into the project, what is on its way, and what was made. */

import { type Media } from "auteur-client";
import { unwrap } from "auteur-client";
import { attempt } from "../shell/connection";
import { clock, percent, size } from "../shell/format";
import { Icon, type IconName } from "../shell/icons";
import { done } from "../shell/notices";
import type { ProjectStore } from "../shell/project";
import { client } from "../shell/session";
import { bring, cancel, discard, resume, type Upload, uploads } from "../shell/uploads";
import { DropZone } from "./DropZone";
import { previewed } from "./Preview";

const PICTURES: Record<Media["type"], IconName> = { video: "film", audio: "sound", image: "image" };
const STATES: Record<Upload["state"], string> = {
  waiting: "Waits for its turn",
  sending: "",
  checking: "Being checked",
  broken: "Broke off",
  refused: "Refused",
};

interface MediaPanelProps {
  store: ProjectStore;
  /** Lay a file behind what is on the timeline. */
  onAdd: (media: Media) => void;
}

export function MediaPanel({ store, onAdd }: MediaPanelProps) {
  const own = uploads.value.filter((each) => each.projectId === store.id);
  const shown = new Set(own.map((each) => each.mediaId));
  const others = store.media.value.filter((each) => !shown.has(each.id));
  return (
    <section class="panel media" aria-labelledby="media-title">
      <h2 id="media-title">Media</h2>
      <DropZone onFiles={(files) => bring(store.id, files)} isLarge={store.isLoaded.value && !others.length && !own.length}>
        <strong>Drop films, sound or pictures</strong>
        <span>or choose files</span>
      </DropZone>
      <ul class="rows">
        {own.map((upload) => <UploadRow key={upload.id} upload={upload} />)}
        {others.map((media) => (
          <MediaRow key={media.id} media={media} store={store} onAdd={onAdd} />
        ))}
      </ul>
    </section>
  );
}

function UploadRow({ upload: { id, file, sent, state, why } }: { upload: Upload }) {
  const part = file.size ? sent / file.size : 1;
  return (
    <li class="row" data-state={state}>
      <span class="thumb"><Icon name="upload" /></span>
      <div class="row-text">
        <strong dir="auto">{file.name}</strong>
        {state === "sending" || state === "checking" ? (
          <progress value={part} max={1} aria-label={`Upload of ${file.name}`} />
        ) : null}
        <small class={state === "refused" || state === "broken" ? "wrong" : "muted"} role="status">
          {STATES[state] || `${percent(part)} of ${size(file.size)}`}
          {why && `: ${why}`}
        </small>
      </div>
      {state === "broken" && (
        <button type="button" onClick={() => resume(id)}>Resume</button>
      )}
      <button type="button" class="icon" aria-label={`Cancel the upload of ${file.name}`} onClick={() => attempt(() => cancel(id))}>
        <Icon name="close" />
      </button>
    </li>
  );
}

interface MediaRowProps extends MediaPanelProps {
  media: Media;
}

function MediaRow({ media, store, onAdd }: MediaRowProps) {
  const isReady = media.status === "ready";
  const remove = () =>
    attempt(async () => {
      if (media.status === "uploading" && !media.import) await discard(store.id, media.id);
      else {
        const params = { path: { media_id: media.id } };
        await unwrap(client.api.DELETE("/media/{media_id}", { params }));
      }
      await store.loadMedia();
      done(`${media.name} was deleted.`);
    });
  return (
    <li class="row" data-state={media.status}>
      <button
        type="button"
        class="thumb"
        disabled={!isReady}
        aria-label={`Preview ${media.name}`}
        onClick={() => (previewed.value = media.id)}
      >
        {media.thumbnail_url ? <img src={media.thumbnail_url} alt="" loading="lazy" /> : <Icon name={PICTURES[media.type]} />}
      </button>
      <div class="row-text">
        <strong dir="auto">{media.name}</strong>
        <small class={media.status === "rejected" ? "wrong" : "muted"}>{describe(media)}</small>
      </div>
      {isReady && (
        <button type="button" class="icon" aria-label={`Add ${media.name} to the timeline`} title="Add to the timeline" onClick={() => onAdd(media)}>
          <Icon name="plus" />
        </button>
      )}
      <button type="button" class="icon" aria-label={`Delete ${media.name}`} title="Delete" onClick={remove}>
        <Icon name="trash" />
      </button>
    </li>
  );
}

function describe(media: Media): string {
  if (media.status === "rejected") return media.rejection?.detail ?? "It was refused.";
  if (media.status === "checking") return "Being checked";
  if (media.status === "uploading") {
    return media.import ? "Being fetched" : "Broke off: drop the same file again, and it goes on";
  }
  const length = media.duration_ms ? clock(media.duration_ms) : "";
  const bytes = media.file_size_bytes === null ? "" : size(media.file_size_bytes);
  return [length, bytes, media.origin ? "made here" : ""].filter(Boolean).join(" · ");
}
