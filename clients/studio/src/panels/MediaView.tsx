/** One media file as the browser plays it, with its size and a download. */

import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect } from "preact/hooks";
import { type MediaDetail, ProblemError, unwrap } from "auteur-client";
import { clock, size } from "../shell/format";
import { Icon } from "../shell/icons";
import { notify } from "../shell/notices";
import { client } from "../shell/session";

const NOT_FOUND = 404;

interface MediaViewProps {
  mediaId: string;
  /** Do not load the file before it is played. */
  isCompact?: boolean;
  /** A still to show until the file has its own. */
  still?: string | null;
  /** Buttons beside the download. */
  children?: ComponentChildren;
}

export function MediaView({ mediaId, isCompact = false, still, children }: MediaViewProps) {
  const media = useSignal<MediaDetail | null>(null);
  const isUnplayable = useSignal(false);
  const isDeleted = useSignal(false);
  const isRenewed = useSignal(false);
  const load = () => {
    const params = { path: { media_id: mediaId } };
    unwrap(client.api.GET("/media/{media_id}", { params })).then(
      (detail) => (media.value = detail),
      (error: unknown) => {
        if (error instanceof ProblemError && error.status === NOT_FOUND) isDeleted.value = true;
        else notify(error);
      },
    );
  };
  useEffect(load, [mediaId]);
  if (isDeleted.value) return <p class="muted">The file was deleted.</p>;
  const file = media.value;
  if (!file) return <p class="empty">Loading …</p>;
  const url = file.download_url ?? "";
  /** URLs work for 15 minutes: the first failure asks for another. */
  const fail = () => {
    if (isRenewed.value || !isCompact) isUnplayable.value = true;
    else {
      isRenewed.value = true;
      load();
    }
  };
  const preload = isCompact ? "none" : "metadata";
  return (
    <figure class={`media-view ${isCompact ? "compact" : ""}`}>
      {isUnplayable.value ? (
        <p class="unplayable" role="status">
          This browser cannot play this file ({file.mime_type}). The file is complete: download it, or use{" "}
          <em>Compression</em> to make a copy that plays here.
        </p>
      ) : file.type === "image" ? (
        <img src={url} alt={file.name} loading="lazy" onError={fail} />
      ) : file.type === "audio" ? (
        <audio src={url} controls preload={preload} aria-label={file.name} onError={fail} />
      ) : (
        <video
          src={url}
          poster={file.thumbnail_url ?? still ?? undefined}
          controls
          playsInline
          preload={preload}
          aria-label={file.name}
          onError={fail}
          onLoadedMetadata={(event) => !event.currentTarget.videoWidth && fail()}
        />
      )}
      <figcaption>
        <span class="media-name" dir="auto">{file.name}</span>
        <small class="muted">
          {[file.duration_ms ? clock(file.duration_ms) : "", file.file_size_bytes === null ? "" : size(file.file_size_bytes)]
            .filter(Boolean)
            .join(" · ")}
        </small>
        <span class="buttons">
          {children}
          <a class="button" href={url} download={file.name}>
            <Icon name="download" /> Download
          </a>
        </span>
      </figcaption>
    </figure>
  );
}
