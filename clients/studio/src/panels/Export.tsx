/** The finished video: rendered, watched and downloaded, with subtitle files and timelines for other editors. */

import { unwrap } from "auteur-client";
import type { EditorStore } from "../editor";
import { featureOf } from "../shell/account";
import { attempt } from "../shell/connection";
import { Icon } from "../shell/icons";
import type { ProjectStore } from "../shell/project";
import { client } from "../shell/session";
import { CaptionStyle } from "./CaptionStyle";
import { FeatureForm } from "./FeatureForm";
import { MediaView } from "./MediaView";
import { save } from "./save";

const SUBTITLES = ["srt", "vtt", "txt"] as const;
const TIMELINES = [
  ["otio", "otio", "OpenTimelineIO"],
  ["fcp_xml", "xml", "Final Cut XML"],
  ["cmx3600", "edl", "CMX 3600"],
] as const;

interface ExportPanelProps {
  store: ProjectStore;
  cut: EditorStore;
}

export function ExportPanel({ store, cut }: ExportPanelProps) {
  const isTimelineEmpty = !cut.durationMs.value;
  const hasTranscript = (cut.edl.value?.transcript.segments.length ?? 0) > 0;
  const feature = featureOf("render");
  const latest = store.ready.value.find((media) => origin(media) === "render");
  const name = store.project.value?.name ?? "video";
  const saveSubtitles = (kind: (typeof SUBTITLES)[number]) =>
    attempt(async () => {
      const params = { path: { project_id: store.id } };
      const text = await unwrap<string>(
        client.api.GET(`/projects/{project_id}/transcript.${kind}`, { params, parseAs: "text" }) as never,
      );
      save(new Blob([text], { type: "text/plain" }), `${name}.${kind}`);
    });
  const saveTimeline = (format: (typeof TIMELINES)[number][0], filename: string) =>
    attempt(async () => {
      const params = { path: { project_id: store.id }, query: { format } };
      const blob = await unwrap<Blob>(
        client.api.GET("/projects/{project_id}/edl/export", { params, parseAs: "blob" } as never) as never,
      );
      save(blob, filename);
    });
  return (
    <div class="export">
      {isTimelineEmpty ? (
        <p class="empty">The timeline is empty. Add a file from <em>Media</em> to render a video.</p>
      ) : (
        feature && <FeatureForm store={store} feature={feature} action="Render" />
      )}
      <CaptionStyle cut={cut} />
      {latest && (
        <section aria-label="Latest render">
          <h3>Latest render</h3>
          <MediaView key={latest.id} mediaId={latest.id} />
        </section>
      )}
      <section aria-label="Subtitle files">
        <h3>Subtitle files</h3>
        <div class="buttons">
          {SUBTITLES.map((kind) => (
            <button key={kind} type="button" disabled={!hasTranscript} onClick={() => saveSubtitles(kind)}>
              <Icon name="download" /> {kind.toUpperCase()}
            </button>
          ))}
        </div>
        {!hasTranscript && <p class="muted note">Subtitle files are made from the transcript. There is none yet.</p>}
      </section>
      <section aria-label="Export timeline">
        <h3>Export timeline</h3>
        <div class="buttons">
          {TIMELINES.map(([format, suffix, title]) => (
            <button key={format} type="button" disabled={isTimelineEmpty} onClick={() => saveTimeline(format, `${name}.${suffix}`)}>
              <Icon name="download" /> {title}
            </button>
          ))}
        </div>
      </section>
    </div>
  );
}

function origin(media: { origin: unknown }): string {
  return String((media.origin as { type?: string } | null)?.type ?? "");
}
