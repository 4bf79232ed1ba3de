export {
  Auteur,
  unwrap,
  type AuteurOptions,
  type EventsOptions,
  type Repeatable,
  type Stoppable,
  type UploadOptions,
  type WaitOptions,
} from "./client.js";
export {
  InsufficientCreditsError,
  JobFailedError,
  NotSignedInError,
  ProblemError,
  StaleEditError,
  UploadRejectedError,
  type FieldError,
} from "./errors.js";
export type { components, operations, paths } from "./schema.js";
export type { Token } from "./transport.js";
export type * from "./types.js";
export type { UploadProgress } from "./upload.js";
