/** Names the types of the contract; `components` and `paths` have all of them. */

import type { components, paths } from "./schema.js";

type Schemas = components["schemas"];

export type Edited = Schemas["Edited"];
export type Edl = Schemas["Edl"];
export type Estimate = Schemas["Estimate"];
export type Job = Schemas["Job"];
export type Media = Schemas["Media"];
export type MediaDetail = Schemas["MediaDetail"];
export type Operation = NonNullable<Schemas["PatchedOperationsRequest"]["operations"]>[number];
export type Project = Schemas["Project"];
export type Submitted = Schemas["Submitted"];
export type Upload = Schemas["Upload"];

/** An event of the log, with its number `seq`. */
export type LogEvent = Schemas["EventPage"]["events"][number];

/** The progress of a job. It is not in the log and has no number. */
export interface ProgressEvent {
  type: "job.progress";
  data: {
    job_id: string;
    /** From 0 to 1; absent in messages of older servers. */
    progress_fraction?: number;
    /** Percent. @deprecated Use `progress_fraction`. */
    progress: number;
    stage: Job["stage"];
    eta_at: string | null;
    attempt: number;
  };
}

type Replace<S extends string, From extends string, To extends string> =
  S extends `${infer Head}${From}${infer Tail}` ? `${Head}${To}${Replace<Tail, From, To>}` : S;

/** The features of the contract, by type (`lip_sync`) or as their paths name them (`lip-sync`). */
export type Feature = Job["type"] | Replace<Job["type"], "_", "-">;

/** The parameters of a feature. */
export type Parameters<F extends Feature> = F extends Feature
  ? paths[`/jobs/${Replace<F, "_", "-">}`]["post"]["requestBody"]["content"]["application/json"]
  : never;

/** The job of a feature, with its own `input_params` and `output_data`. */
export type JobOf<F extends Feature> = Extract<Job, { type: Replace<F, "-", "_"> }>;

interface Paged {
  next: string | null;
  previous: string | null;
}

type PageAt<P extends keyof paths> = paths[P] extends {
  get: { responses: { 200: { content: { "application/json": infer Page extends Paged } } } };
}
  ? Page
  : never;

/** Lists, by their paths without the slash: `jobs`, `projects/{project_id}/media` … */
export type List = {
  [P in keyof paths]: PageAt<P> extends never ? never : P extends `/${infer Name}` ? Name : never;
}[keyof paths];

type PageOf<L extends List> = `/${L}` extends keyof paths ? PageAt<`/${L}`> : never;

/** A row of a list. */
export type Item<L extends List> =
  PageOf<L> extends infer Page
    ? Page[Exclude<keyof Page, keyof Paged>] extends (infer Row)[]
      ? Row
      : never
    : never;

type ParametersOf<L extends List> = `/${L}` extends keyof paths
  ? paths[`/${L}`] extends { get: { parameters: infer AllParameters } }
    ? AllParameters
    : never
  : never;

type PartOf<All, Name extends string> = All extends { [N in Name]?: infer Part }
  ? [NonNullable<Part>] extends [never]
    ? unknown
    : NonNullable<Part>
  : unknown;

/** The filters of a list, and the ids in its path. */
export type Filters<L extends List> = Omit<PartOf<ParametersOf<L>, "query">, "cursor"> &
  PartOf<ParametersOf<L>, "path">;
