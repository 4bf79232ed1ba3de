/** What can be done here, each with its price; pressed, it asks for what it needs. */

import { useSignal } from "@preact/signals";
import { features } from "../shell/account";
import { Icon } from "../shell/icons";
import { words } from "../shell/format";
import type { ProjectStore } from "../shell/project";
import { FeatureForm, tariff } from "./FeatureForm";

/** Rendering has a place of its own. */
const ELSEWHERE = "render";
/** What comes first to mind with a film; then the others. */
const FIRST = ["transcription", "compression", "video_query"];

interface FeaturesPanelProps {
  store: ProjectStore;
  onStarted: () => void;
}

export function FeaturesPanel({ store, onStarted }: FeaturesPanelProps) {
  const open = useSignal("transcription");
  const rank = (type: string) => (FIRST.indexOf(type) + FIRST.length + 1) % (FIRST.length + 1);
  const shown = features.value
    .filter((each) => each.type !== ELSEWHERE && each.enabled)
    .sort((a, b) => rank(a.type) - rank(b.type));
  return (
    <ul class="features">
      {shown.map((feature) => {
        const isOpen = open.value === feature.type;
        return (
          <li key={feature.type} class={isOpen ? "open" : ""}>
            <button
              type="button"
              class="feature"
              aria-expanded={isOpen}
              onClick={() => (open.value = isOpen ? "" : feature.type)}
            >
              <Icon name="spark" />
              <span>
                <strong>{feature.title}</strong>
                <small class="muted">
                  {words(feature.type)} · {tariff(feature)}
                  {feature.plan && <span class="tag">{feature.plan}</span>}
                  {feature.is_draft && <span class="tag" title="A fast engine for trying things, without a GPU">draft</span>}
                </small>
              </span>
            </button>
            {isOpen &&
              (feature.available ? (
                <FeatureForm store={store} feature={feature} action={words(feature.type)} onStarted={onStarted} />
              ) : (
                <p class="muted stack">Your plan does not include it.</p>
              ))}
          </li>
        );
      })}
    </ul>
  );
}
