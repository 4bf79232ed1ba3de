/** One parameter of a feature as a form field. */

import { useEffect, useId } from "preact/hooks";
import { useSignal } from "@preact/signals";
import { type Media, unwrap } from "auteur-client";
import { clock } from "../shell/format";
import type { ProjectStore } from "../shell/project";
import { client } from "../shell/session";
import type { Parameter } from "../shell/types";
import type { Wording } from "../shell/wording";
import { EACH } from "./FeatureForm";

interface FieldProps {
  wording: Wording;
  parameter: Parameter;
  store: ProjectStore;
  value: string;
  wrong: string;
  onInput: (value: string) => void;
}

/** Longer texts get more than one line. */
const LONG_CHARS = 300;
/** The option that opens a text field for any other value. */
const OTHER = "other…";

export function Field(props: FieldProps) {
  const { wording, parameter, wrong } = props;
  const id = useId();
  const isOptional = !parameter.required && parameter.default === undefined && !wording.empty && parameter.type !== "voice";
  const longest = parameter.longest_ms ? `At most ${clock(parameter.longest_ms)} long.` : "";
  const help = [wording.help, longest].filter(Boolean).join(" ");
  if (parameter.type === "boolean") {
    return (
      <label class="check">
        <input
          type="checkbox"
          checked={(props.value || String(parameter.default ?? false)) === "true"}
          onChange={(event) => props.onInput(String(event.currentTarget.checked))}
        />
        <span>{wording.label}{help && <small class="muted">{help}</small>}</span>
      </label>
    );
  }
  return (
    <div class="field">
      <label for={id}>{wording.label}{isOptional && <span class="optional"> (optional)</span>}</label>
      <Input {...props} id={id} isExplained={help !== ""} />
      {help && <small id={`${id}-help`} class="muted">{help}</small>}
      {wrong && <small id={`${id}-wrong`} class="wrong">{wrong}</small>}
    </div>
  );
}

/** The attributes that every kind of input has. */
interface Common {
  id: string;
  required: boolean;
  "aria-invalid": true | undefined;
  "aria-describedby": string | undefined;
  onInput: (event: Event) => void;
}

function Input(props: FieldProps & { id: string; isExplained: boolean }) {
  const { id, isExplained, parameter, value, onInput, wording, wrong } = props;
  const descriptions = [isExplained && `${id}-help`, wrong && `${id}-wrong`].filter(Boolean).join(" ");
  const common: Common = {
    id,
    required: parameter.required,
    "aria-invalid": wrong ? true : undefined,
    "aria-describedby": descriptions || undefined,
    onInput: (event) => onInput((event.currentTarget as HTMLInputElement).value),
  };
  if (parameter.type === "media") return <MediaChoice {...props} common={common} />;
  if (parameter.type === "voice") return <VoiceChoice common={common} value={value} />;
  if (parameter.choices || wording.choices) return <Choice {...props} common={common} />;
  const placeholder = String(parameter.default ?? "");
  if (parameter.type === "integer" || parameter.type === "number") {
    return (
      <input
        {...common}
        type="number"
        step={parameter.type === "integer" ? 1 : "any"}
        min={parameter.min_value}
        max={parameter.max_value}
        placeholder={placeholder}
        value={value}
      />
    );
  }
  return (parameter.max_length ?? 0) > LONG_CHARS ? (
    <textarea {...common} dir="auto" rows={3} maxLength={parameter.max_length} value={value} placeholder={placeholder} />
  ) : (
    <input {...common} dir="auto" maxLength={parameter.max_length} value={value} placeholder={placeholder} />
  );
}

/** Return true if the parameter takes files of this kind. */
export function fits(media: Media, { media_types, with_sound, longest_ms }: Parameter): boolean {
  const isKind = !media_types || media_types.includes(media.type);
  const hasSound = !with_sound || media.type === "audio" || media.metadata.has_audio !== false;
  return isKind && hasSound && (!longest_ms || (media.duration_ms ?? 0) <= longest_ms);
}

interface ChoiceProps extends FieldProps {
  common: Common;
}

/** A list of values in words; the last may open a field for another value. */
function Choice({ parameter, wording, value, onInput, common }: ChoiceProps) {
  const choices = parameter.choices?.map((choice) => [choice, wording.choices?.[choice] ?? choice] as const)
    ?? Object.entries(wording.choices ?? {});
  const current = value || String(parameter.default ?? "");
  const isOther = useSignal(Boolean(current) && !choices.some(([choice]) => choice === current));
  const choose = (event: Event) => {
    const chosen = (event.currentTarget as HTMLSelectElement).value;
    isOther.value = chosen === OTHER;
    onInput(isOther.value ? "" : chosen);
  };
  return (
    <>
      <select {...common} onInput={choose} value={isOther.value ? OTHER : current}>
        {!parameter.required && parameter.default === undefined && <option value="">{wording.empty ?? ""}</option>}
        {choices.map(([choice, words]) => <option key={choice} value={choice}>{words}</option>)}
        {wording.other && <option value={OTHER}>{wording.other}</option>}
      </select>
      {isOther.value && (
        <input
          class="other"
          aria-label={`${wording.label}: another value`}
          required={parameter.required}
          value={value}
          onInput={common.onInput}
        />
      )}
    </>
  );
}

function MediaChoice({ store, parameter, value, onInput, common }: ChoiceProps) {
  const files = store.ready.value.filter((media) => fits(media, parameter));
  const isGone = value !== EACH && !files.some((media) => media.id === value);
  const first = files[0]?.id;
  useEffect(() => {
    if (first && isGone && parameter.required) onInput(first);
  }, [first, isGone]);
  if (!files.length) return <p class="muted" id={common.id}>No file fits. Upload {kinds(parameter)} first.</p>;
  return (
    <select {...common} value={isGone ? "" : value}>
      {!parameter.required && <option value="" />}
      {files.map((media) => <option key={media.id} value={media.id}>{media.name}</option>)}
      {files.length > 1 && <option value={EACH}>{`All ${files.length} files, one job each`}</option>}
    </select>
  );
}

function VoiceChoice({ common, value }: { common: Common; value: string }) {
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

const KINDS: Record<string, string> = { audio: "a sound", image: "a picture", video: "a video" };

function kinds({ media_types, with_sound }: Parameter): string {
  const names = media_types?.map((type) => KINDS[type] ?? type).join(" or ") ?? "a file";
  return `${names}${with_sound && media_types?.includes("video") ? " with speech or other sound" : ""}`;
}
