/** The files of the project: uploads in progress, and what is ready to use. */

import type { Media } from "auteur-client";
import { attempt } from "../shell/connection";
import { clock, percent, size } from "../shell/format";
import { Icon, type IconName } from "../shell/icons";
import { done } from "../shell/notices";
import type { ProjectStore } from "../shell/project";
import { cancel, deleteMedia, discard, resume, type Upload, upload, uploads } from "../shell/uploads";
import { DropZone } from "./DropZone";
import { previewed } from "./Preview";

const PICTURES: Record<Media["type"], IconName> = { video: "film", audio: "sound", image: "image" };
const STATES: Record<Upload["state"], string> = {
  waiting: "Waiting",
  sending: "",
  checking: "Being checked",
  broken: "Interrupted",
  refused: "Refused",
};

interface MediaPanelProps {
  store: ProjectStore;
  /** Put a file at the end of the timeline. */
  onAdd: (media: Media) => void;
}

export function MediaPanel({ store, onAdd }: MediaPanelProps) {
  const own = uploads.value.filter((entry) => entry.projectId === store.id);
  const uploadIds = new Set(own.map((entry) => entry.mediaId));
  const others = store.media.value.filter((media) => !uploadIds.has(media.id));
  return (
    <section class="panel media" aria-labelledby="media-title">
      <h2 id="media-title">Media</h2>
      <DropZone onFiles={(files) => upload(store.id, files)} isLarge={store.isLoaded.value && !others.length && !own.length}>
        <strong>Drop videos, sounds or pictures</strong>
        <span>or choose files. They go on the timeline.</span>
      </DropZone>
      <ul class="rows">
        {own.map((entry) => <UploadRow key={entry.id} entry={entry} />)}
        {others.map((media) => (
          <MediaRow key={media.id} media={media} store={store} onAdd={onAdd} />
        ))}
      </ul>
    </section>
  );
}

function UploadRow({ entry: { id, file, sent, state, why } }: { entry: Upload }) {
  const part = file.size ? sent / file.size : 1;
  const action = state === "refused" ? `Dismiss ${file.name}` : `Cancel the upload of ${file.name}`;
  return (
    <li class="row" data-state={state}>
      <span class="thumb"><Icon name={state === "refused" ? "alert" : "upload"} /></span>
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
      <button type="button" class="icon" aria-label={action} title={action} onClick={() => attempt(() => cancel(id))}>
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
  const isRefused = media.status === "rejected";
  const remove = () =>
    attempt(async () => {
      if (media.status === "uploading" && !media.import) await discard(store.id, media.id);
      else await deleteMedia(media.id);
      await store.loadMedia();
      if (!isRefused) done(`${media.name} was deleted.`);
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
        <small class={isRefused ? "wrong" : "muted"}>{describe(media)}</small>
      </div>
      {isReady && (
        <button type="button" class="icon" aria-label={`Add ${media.name} to the timeline`} title="Add to the timeline" onClick={() => onAdd(media)}>
          <Icon name="plus" />
        </button>
      )}
      <button
        type="button"
        class="icon"
        aria-label={`${isRefused ? "Dismiss" : "Delete"} ${media.name}`}
        title={isRefused ? "Dismiss" : "Delete"}
        onClick={remove}
      >
        <Icon name={isRefused ? "close" : "trash"} />
      </button>
    </li>
  );
}

function describe(media: Media): string {
  if (media.status === "rejected") return media.rejection?.detail ?? "The file was refused.";
  if (media.status === "checking") return "Being checked";
  if (media.status === "uploading") {
    return media.import ? "Being downloaded" : "Interrupted. Drop the same file again to resume.";
  }
  const length = media.duration_ms ? clock(media.duration_ms) : "";
  const bytes = media.file_size_bytes === null ? "" : size(media.file_size_bytes);
  return [length, bytes, media.origin ? "generated" : ""].filter(Boolean).join(" · ");
}
