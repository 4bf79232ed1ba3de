/** One media file, played as large as there is room, with a way to have it. */

import { signal, useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { type MediaDetail, unwrap } from "auteur-client";
import { Dialog } from "../shell/Dialog";
import { size } from "../shell/format";
import { Icon } from "../shell/icons";
import { notify } from "../shell/notices";
import { client } from "../shell/session";

export const previewed = signal<string | null>(null);

export function Preview() {
  if (!previewed.value) return null;
  const close = () => (previewed.value = null);
  return (
    <Dialog title="Preview" class="wide" onClose={close}>
      <MediaView key={previewed.value} mediaId={previewed.value} />
    </Dialog>
  );
}

/** A file as the browser plays it; where it cannot, that is said, with what can be done. */
export function MediaView({ mediaId }: { mediaId: string }) {
  const media = useSignal<MediaDetail | null>(null);
  const isUnplayable = useSignal(false);
  useEffect(() => {
    const params = { path: { media_id: mediaId } };
    unwrap(client.api.GET("/media/{media_id}", { params })).then((found) => (media.value = found), notify);
  }, [mediaId]);
  const file = media.value;
  if (!file) return <p class="empty">Loading …</p>;
  const url = file.download_url ?? "";
  const fail = () => (isUnplayable.value = true);
  return (
    <figure class="media-view">
      {isUnplayable.value ? (
        <p class="unplayable" role="status">
          This browser cannot play this file ({file.mime_type}). It is whole and can be worked with:
          download it, or have a smaller film for the web made of it by <em>compression</em>.
        </p>
      ) : file.type === "image" ? (
        <img src={url} alt={file.name} onError={fail} />
      ) : file.type === "audio" ? (
        <audio src={url} controls onError={fail} />
      ) : (
        <video src={url} poster={file.thumbnail_url ?? undefined} controls playsInline onError={fail} onLoadedMetadata={(event) => !event.currentTarget.videoWidth && fail()} />
      )}
      <figcaption>
        <span dir="auto">{file.name}</span>
        {file.file_size_bytes !== null && <small class="muted">{size(file.file_size_bytes)}</small>}
        <a class="button" href={url} download={file.name}>
          <Icon name="download" /> Download
        </a>
      </figcaption>
    </figure>
  );
}
