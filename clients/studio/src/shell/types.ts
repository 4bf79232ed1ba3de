/** Names types of the contract that the client does not export. */

import type { components } from "auteur-client";

type Schemas = components["schemas"];

export type Feature = Schemas["Feature"];
export type Parameter = Schemas["Parameter"];
export type JobSummary = Schemas["JobSummary"];
export type ProjectDetail = Schemas["ProjectDetail"];
export type Transaction = Schemas["CreditTransaction"];
export type { Job, Media, MediaDetail, Project } from "auteur-client";
