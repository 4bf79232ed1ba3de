/** The film: rendered, looked at, taken along, with its captions and its cut for other programs. */

import { unwrap } from "auteur-client";
import { featureOf } from "../shell/account";
import { attempt } from "../shell/connection";
import { Icon } from "../shell/icons";
import type { ProjectStore } from "../shell/project";
import { client } from "../shell/session";
import { FeatureForm } from "./FeatureForm";
import { MediaView } from "./Preview";
import { save } from "./save";

const CAPTIONS = ["srt", "vtt", "txt"] as const;
const CUTS = [
  ["otio", "otio", "OpenTimelineIO"],
  ["fcp_xml", "xml", "Final Cut XML"],
  ["cmx3600", "edl", "CMX 3600"],
] as const;

interface DeliverPanelProps {
  store: ProjectStore;
  isTimelineEmpty: boolean;
}

export function DeliverPanel({ store, isTimelineEmpty }: DeliverPanelProps) {
  const feature = featureOf("render");
  const latest = store.ready.value.find((media) => origin(media) === "render");
  const name = store.project.value?.name ?? "film";
  const captions = (kind: (typeof CAPTIONS)[number]) =>
    attempt(async () => {
      const params = { path: { project_id: store.id } };
      const text = await unwrap<string>(
        client.api.GET(`/projects/{project_id}/transcript.${kind}`, { params, parseAs: "text" }) as never,
      );
      save(new Blob([text], { type: "text/plain" }), `${name}.${kind}`);
    });
  return (
    <div class="deliver">
      {isTimelineEmpty ? (
        <p class="empty">The timeline is empty. Add a film to it from <em>Media</em>; then it can be rendered.</p>
      ) : (
        feature && <FeatureForm store={store} feature={feature} action="Render" />
      )}
      {latest && (
        <section aria-label="The latest film">
          <h3>The latest film</h3>
          <MediaView key={latest.id} mediaId={latest.id} />
        </section>
      )}
      <section aria-label="Captions">
        <h3>Captions</h3>
        <div class="buttons">
          {CAPTIONS.map((kind) => (
            <button key={kind} type="button" onClick={() => captions(kind)}>
              <Icon name="download" /> {kind.toUpperCase()}
            </button>
          ))}
        </div>
      </section>
      <section aria-label="The cut for other programs">
        <h3>The cut for other programs</h3>
        <div class="buttons">
          {CUTS.map(([kind, suffix, title]) => (
            <button key={kind} type="button" disabled={isTimelineEmpty} onClick={() => exported(store.id, kind, `${name}.${suffix}`)}>
              <Icon name="download" /> {title}
            </button>
          ))}
        </div>
      </section>
    </div>
  );
}

function exported(projectId: string, format: (typeof CUTS)[number][0], name: string): Promise<void> {
  return attempt(async () => {
    const params = { path: { project_id: projectId }, query: { format } };
    const blob = await unwrap<Blob>(
      client.api.GET("/projects/{project_id}/edl/export", { params, parseAs: "blob" } as never) as never,
    );
    save(blob, name);
  });
}

function origin(media: { origin: unknown }): string {
  return String((media.origin as { type?: string; feature?: string } | null)?.type ?? "");
}
