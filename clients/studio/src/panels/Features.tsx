/** The features, each with its price; pressed, a feature shows its form. */

import { useSignal } from "@preact/signals";
import { features } from "../shell/account";
import { Icon, iconOf } from "../shell/icons";
import { tariff, words } from "../shell/format";
import type { ProjectStore } from "../shell/project";
import type { Feature } from "../shell/types";
import { featureName } from "../shell/wording";
import { FeatureForm } from "./FeatureForm";

/** Rendering has a panel of its own. */
const ELSEWHERE = "render";
/** The most common come first. */
const FIRST = ["transcription", "tts", "compression", "video_query"];

interface FeaturesPanelProps {
  store: ProjectStore;
  onStarted: () => void;
}

export function FeaturesPanel({ store, onStarted }: FeaturesPanelProps) {
  const open = useSignal("transcription");
  const rank = (feature: Feature) =>
    feature.locked_by_plan ? FIRST.length + 1 : (FIRST.indexOf(feature.type) + FIRST.length + 1) % (FIRST.length + 1);
  const visible = features.value
    .filter((feature) => feature.type !== ELSEWHERE && feature.enabled)
    .sort((a, b) => rank(a) - rank(b));
  return (
    <ul class="features">
      {visible.map((feature) => {
        const isOpen = open.value === feature.type;
        return (
          <li key={feature.type} class={isOpen ? "open" : ""}>
            <button
              type="button"
              class="feature"
              aria-expanded={isOpen}
              onClick={() => (open.value = isOpen ? "" : feature.type)}
            >
              <Icon name={feature.available ? iconOf(feature.type) : "lock"} />
              <span>
                <strong>{featureName(feature.type)}</strong>
                <small class="muted">{feature.title}</small>
                <small class="muted">
                  {tariff(feature)}
                  {feature.plan && <span class="tag">{words(feature.plan)} plan</span>}
                  {feature.is_draft && <span class="tag" title="A fast engine for trying things, without a GPU">Draft</span>}
                </small>
              </span>
            </button>
            {isOpen &&
              (feature.available ? (
                <FeatureForm store={store} feature={feature} action={featureName(feature.type)} onStarted={onStarted} />
              ) : (
                <p class="locked">{reasonOf(feature)}</p>
              ))}
          </li>
        );
      })}
    </ul>
  );
}

/** Return why the user cannot start jobs of a feature. */
function reasonOf(feature: Feature): string {
  const name = featureName(feature.type);
  if (feature.locked_by_plan) return `${name} is part of the ${words(feature.plan!)} plan, which your account does not have.`;
  return `${name} cannot run on this server at the moment.`;
}
