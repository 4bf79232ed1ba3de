/** One parameter of a feature, as what a person fills in. */

import { useEffect, useId } from "preact/hooks";
import { useSignal } from "@preact/signals";
import { type Media, unwrap } from "auteur-client";
import { words } from "../shell/format";
import type { ProjectStore } from "../shell/project";
import { client } from "../shell/session";
import type { Parameter } from "../shell/types";
import { EACH } from "./FeatureForm";

interface FieldProps {
  name: string;
  parameter: Parameter;
  store: ProjectStore;
  value: string;
  wrong: string;
  onInput: (value: string) => void;
}

/** Longer texts are written in more lines than one. */
const LONG_CHARS = 300;

export function Field(props: FieldProps) {
  const { name, parameter, wrong } = props;
  const id = useId();
  const label = words(name);
  const hint = parameter.description;
  if (parameter.type === "boolean") {
    return (
      <label class="check">
        <input
          type="checkbox"
          checked={(props.value || String(parameter.default ?? false)) === "true"}
          onChange={(event) => props.onInput(String(event.currentTarget.checked))}
        />
        <span>{label}{hint && <small class="muted">{plain(hint)}</small>}</span>
      </label>
    );
  }
  return (
    <div class="field">
      <label for={id}>{label}{!parameter.required && <small class="muted"> optional</small>}</label>
      <Input {...props} id={id} />
      {hint && <small id={`${id}-hint`} class="muted">{plain(hint)}</small>}
      {wrong && <small id={`${id}-wrong`} class="wrong">{wrong}</small>}
    </div>
  );
}

function Input(props: FieldProps & { id: string }) {
  const { id, parameter, value, onInput, wrong } = props;
  const common = {
    id,
    required: parameter.required,
    "aria-invalid": wrong ? true : undefined,
    "aria-describedby": [parameter.description && `${id}-hint`, wrong && `${id}-wrong`].filter(Boolean).join(" ") || undefined,
    onInput: (event: Event) => onInput((event.currentTarget as HTMLInputElement).value),
  };
  if (parameter.type === "media") return <MediaChoice {...props} common={common} />;
  if (parameter.type === "voice") return <VoiceChoice common={common} value={value} />;
  if (parameter.choices) {
    return (
      <select {...common} value={value || String(parameter.default ?? "")}>
        {!parameter.required && parameter.default === undefined && <option value="" />}
        {parameter.choices.map((choice) => <option key={choice} value={choice}>{choice}</option>)}
      </select>
    );
  }
  if (parameter.type === "integer" || parameter.type === "number") {
    return (
      <input
        {...common}
        type="number"
        step={parameter.type === "integer" ? 1 : "any"}
        min={parameter.min_value}
        max={parameter.max_value}
        placeholder={String(parameter.default ?? "")}
        value={value}
      />
    );
  }
  const placeholder = String(parameter.default ?? "");
  return (parameter.max_length ?? 0) > LONG_CHARS ? (
    <textarea {...common} dir="auto" rows={3} maxLength={parameter.max_length} value={value} placeholder={placeholder} />
  ) : (
    <input {...common} dir="auto" maxLength={parameter.max_length} value={value} placeholder={placeholder} />
  );
}

/** Whether a file is of a kind that the parameter takes. */
export function fits(media: Media, { media_types, with_sound, longest_ms }: Parameter): boolean {
  const isKind = !media_types || media_types.includes(media.type);
  const isHeard = !with_sound || media.type === "audio" || media.metadata.has_audio !== false;
  return isKind && isHeard && (!longest_ms || (media.duration_ms ?? 0) <= longest_ms);
}

interface ChoiceProps {
  common: Record<string, unknown>;
  value: string;
}

function MediaChoice({ store, parameter, value, onInput, common }: FieldProps & ChoiceProps) {
  const files = store.ready.value.filter((media) => fits(media, parameter));
  const isGone = value !== EACH && !files.some((media) => media.id === value);
  const first = files[0]?.id;
  useEffect(() => {
    if (first && isGone && parameter.required) onInput(first);
  }, [first, isGone]);
  if (!files.length) return <p class="muted" id={String(common.id)}>Nothing here fits: bring {kinds(parameter)} first.</p>;
  return (
    <select {...common} value={isGone ? "" : value}>
      {!parameter.required && <option value="" />}
      {files.map((media) => <option key={media.id} value={media.id}>{media.name}</option>)}
      {files.length > 1 && <option value={EACH}>{`All ${files.length} files, one job each`}</option>}
    </select>
  );
}

function VoiceChoice({ common, value }: ChoiceProps) {
  const voices = useSignal<{ id: string; name: string }[]>([]);
  useEffect(() => {
    unwrap(client.api.GET("/voices")).then((page) => (voices.value = page.voices), () => undefined);
  }, []);
  return (
    <select {...common} value={value}>
      <option value="">Stock voice</option>
      {voices.value.map((voice) => <option key={voice.id} value={voice.id}>{voice.name}</option>)}
    </select>
  );
}

function kinds({ media_types, with_sound }: Parameter): string {
  return `${media_types?.join(" or ") ?? "a file"}${with_sound ? " with sound" : ""}`;
}

/** Descriptions are Markdown; what is between backticks is shown as it is. */
function plain(text: string): string {
  return text.replace(/`/g, "");
}
