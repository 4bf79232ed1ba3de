/** The parameters of a feature as a form, built from `GET /features`, with its price on the button. */

import { useSignal, useSignalEffect } from "@preact/signals";
import { type Feature as FeatureName, InsufficientCreditsError, type Parameters, ProblemError } from "auteur-client";
import { balance } from "../shell/account";
import { credits, tariff } from "../shell/format";
import { done, notify, reason } from "../shell/notices";
import type { ProjectStore } from "../shell/project";
import { client } from "../shell/session";
import type { Feature, Parameter } from "../shell/types";
import { type Wording, wordingOf } from "../shell/wording";
import { Field, fits } from "./Field";

/** Parameters that the page sets itself: where the result goes, and how the price is bound. */
const OURS = new Set(["project_id", "quote_id", "callback_url"]);
/** Older forms of other parameters. */
const DEPRECATED = new Set(["duration_sec"]);
const TYPING_MS = 300;
/** The value that stands for every suitable file: one job each. */
export const EACH = "*";

export type Values = Record<string, string>;
type Body = Parameters<FeatureName>;

interface Price {
  credits: number;
  quotes: string[];
  /** The median duration of such jobs. */
  seconds: number | null;
}

interface FormField {
  name: string;
  parameter: Parameter;
  wording: Wording;
}

interface FeatureFormProps {
  store: ProjectStore;
  feature: Feature;
  action: string;
  presets?: Values;
  onStarted?: (jobIds: string[]) => void;
}

export function FeatureForm({ store, feature, action, presets = {}, onStarted }: FeatureFormProps) {
  const fields = (Object.entries(feature.parameters) as [string, Parameter][])
    .filter(([name]) => !OURS.has(name) && !DEPRECATED.has(name))
    .map(([name, parameter]) => {
      const wording = wordingOf(feature, name, parameter);
      return { name, parameter: inForm(parameter, wording), wording };
    });
  const values = useSignal<Values>({ ...initialValues(fields), ...presets });
  const price = useSignal<Price | null>(null);
  const wrong = useSignal<Record<string, string>>({});
  const why = useSignal("");
  const isBusy = useSignal(false);

  useSignalEffect(() => {
    const bodies = bodiesOf(feature, values.value, store);
    store.delivered.value; // a longer timeline costs more to render
    price.value = null;
    wrong.value = {};
    why.value = "";
    if (!bodies.length) return;
    const stop = new AbortController();
    const timer = setTimeout(() => {
      priceOf(feature, bodies, stop.signal).then(
        (estimate) => (price.value = estimate),
        (error: unknown) => {
          if (!stop.signal.aborted) explain(error);
        },
      );
    }, TYPING_MS);
    return () => {
      clearTimeout(timer);
      stop.abort();
    };
  });

  const explain = (error: unknown) => {
    if (error instanceof ProblemError && error.errors.length) {
      wrong.value = Object.fromEntries(error.errors.map((item) => [item.field.split(".")[0], item.detail]));
    }
    why.value = reason(error);
  };

  const submit = async (event: SubmitEvent) => {
    event.preventDefault();
    isBusy.value = true;
    const bodies = bodiesOf(feature, values.value, store);
    const started: string[] = [];
    try {
      for (const [at, body] of bodies.entries()) {
        const quote_id = price.value?.quotes[at];
        const submitted = await client.submit(nameOf(feature), { ...body, ...(quote_id ? { quote_id } : {}) });
        started.push(submitted.job_id);
      }
      if (bodies.length > 1) done(`${bodies.length} jobs were started.`);
    } catch (error) {
      if (bodies.length > 1 && error instanceof InsufficientCreditsError) {
        const cause = `${started.length} of ${bodies.length} jobs were started. ${reason(error)}`;
        notify(new Error(`${cause} The others were not started and cost nothing.`));
      }
      explain(error);
    }
    isBusy.value = false;
    if (started.length) onStarted?.(started);
    await store.loadJobs().catch(notify);
  };

  const field = ({ name, parameter, wording }: FormField) => (
    <Field
      key={name}
      wording={wording}
      parameter={parameter}
      store={store}
      value={values.value[name] ?? ""}
      wrong={wrong.value[name] ?? ""}
      onInput={(value) => (values.value = { ...values.value, [name]: value })}
    />
  );
  const basic = fields.filter(({ wording }) => !wording.isAdvanced);
  const advanced = fields.filter(({ wording }) => wording.isAdvanced);
  const isShort = price.value !== null && balance.value !== null && price.value.credits > balance.value;
  return (
    <form class="stack feature-form" onSubmit={submit}>
      {basic.map(field)}
      {advanced.length > 0 && (
        <details class="advanced">
          <summary>More options</summary>
          <div class="stack">{advanced.map(field)}</div>
        </details>
      )}
      {why.value && <p class="wrong" role="alert">{why.value}</p>}
      {isShort && <p class="wrong" role="status">You have {credits(balance.value!)}. The last jobs will not start.</p>}
      <div class="pay">
        <button class="primary" disabled={isBusy.value || !bodiesOf(feature, values.value, store).length}>
          {action}
          {price.value && <span class="price"> · {credits(price.value.credits)}</span>}
        </button>
        <small class="muted">
          {price.value ? lasting(price.value.seconds) : tariff(feature)}
        </small>
      </div>
    </form>
  );
}

function initialValues(fields: FormField[]): Values {
  return Object.fromEntries(fields.map(({ name, wording }) => [name, wording.initial ?? ""]));
}

/** The requests to send: one job, or one for each file; none while a value is missing. */
function bodiesOf(feature: Feature, values: Values, store: ProjectStore): Body[] {
  const name = Object.entries(values).find(([, value]) => value === EACH)?.[0];
  if (!name) return [bodyOf(feature, values, store)].filter((body) => body !== null);
  const files = store.ready.value.filter((media) => fits(media, feature.parameters[name] as Parameter));
  return files
    .map((media) => bodyOf(feature, { ...values, [name]: media.id }, store))
    .filter((body) => body !== null);
}

function bodyOf(feature: Feature, values: Values, store: ProjectStore): Body | null {
  const body: Record<string, unknown> = {};
  for (const [name, parameter] of Object.entries(feature.parameters) as [string, Parameter][]) {
    const wording = wordingOf(feature, name, parameter);
    if (name === "project_id") body[name] = store.id;
    else if (values[name]) body[name] = valueOf(parameter, wording, values[name]);
    else if (inForm(parameter, wording).required && parameter.type !== "boolean") return null;
  }
  return body as Body;
}

/** The name for the client, which accepts those of the contract alone; an installation may have more. */
function nameOf(feature: Feature): FeatureName {
  return feature.type as FeatureName;
}

/** Return the parameter in the units of the form. */
function inForm(parameter: Parameter, { factor = 1, isRequired = false }: Wording): Parameter {
  const { min_value, max_value } = parameter;
  return {
    ...parameter,
    ...(min_value === undefined ? {} : { min_value: min_value / factor }),
    ...(max_value === undefined ? {} : { max_value: max_value / factor }),
    required: parameter.required || isRequired,
  };
}

function valueOf({ type }: Parameter, { factor = 1 }: Wording, text: string): unknown {
  if (type === "boolean") return text === "true";
  return type === "integer" || type === "number" ? Number(text) * factor : text;
}

async function priceOf(feature: Feature, bodies: Body[], signal: AbortSignal): Promise<Price> {
  const estimates = await Promise.all(bodies.map((body) => client.estimate(nameOf(feature), body, { signal })));
  const seconds = estimates.map((estimate) => estimate.seconds_p50 ?? NaN).reduce((a, b) => a + b, 0);
  return {
    credits: estimates.reduce((sum, estimate) => sum + estimate.credits, 0),
    quotes: estimates.map((estimate) => estimate.quote_id),
    seconds: Number.isNaN(seconds) ? null : seconds,
  };
}

function lasting(seconds: number | null): string {
  if (seconds === null) return "";
  return seconds < 90 ? `takes about ${Math.max(1, Math.round(seconds))} s` : `takes about ${Math.round(seconds / 60)} min`;
}
