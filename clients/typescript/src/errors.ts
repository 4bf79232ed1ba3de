/** Defines the errors, from problem documents (RFC 9457). No error contains a token. */

import type { Job } from "./types.js";

/** An error of one field of a request. */
export interface FieldError {
  field: string;
  code: string;
  detail: string;
}

/** The API refused a request. */
export class ProblemError extends Error {
  override name = "ProblemError";

  constructor(
    /** A stable code, for programs. */
    readonly code: string,
    /** The HTTP status; 0 without a response. */
    readonly status: number,
    /** A sentence for people. */
    readonly detail: string,
    /** The errors of single fields. */
    readonly errors: readonly FieldError[] = [],
    /** The id of the request in the server's logs. */
    readonly requestId: string | null = null,
    /** The whole problem document. */
    readonly problem: Readonly<Record<string, unknown>> = {},
  ) {
    const texts = errors.map((error) => `${error.field}: ${error.detail}`);
    const fields = texts.filter((text) => !detail.includes(text)).join("; ");
    super(`${status} ${code}: ${detail}${fields && ` (${fields})`}`);
  }
}

/** The token is missing or no longer valid: sign in again. */
export class NotSignedInError extends ProblemError {
  override name = "NotSignedInError";
}

/** The job costs more than the balance. */
export class InsufficientCreditsError extends ProblemError {
  override name = "InsufficientCreditsError";

  get balance(): number {
    return Number(this.problem.balance);
  }

  get required(): number {
    return Number(this.problem.required);
  }
}

/** The timeline has changed since the version for which the edit was made. */
export class StaleEditError extends ProblemError {
  override name = "StaleEditError";

  /** The version for which the edit was made; null if the request was not made by `edit`. */
  version: number | null = null;

  /** The current version of the timeline. */
  get currentVersion(): number {
    return Number(this.problem.version);
  }
}

/** The check rejected the file. */
export class UploadRejectedError extends ProblemError {
  override name = "UploadRejectedError";

  /** The code of the reason. */
  get reason(): string {
    return String(this.problem.reason);
  }
}

/** The job has failed or was cancelled. */
export class JobFailedError extends ProblemError {
  override name = "JobFailedError";

  constructor(readonly job: Job) {
    super(job.error?.code ?? "CANCELLED", 0, job.error?.message ?? `The job is ${job.status}.`);
  }

  /** True if a new job may succeed. */
  get retryable(): boolean {
    return this.job.error?.retryable ?? false;
  }
}

const BY_CODE: Record<string, typeof ProblemError> = {
  insufficient_credits: InsufficientCreditsError,
  stale_edl: StaleEditError,
  upload_rejected: UploadRejectedError,
};

/** Build the error for a problem document, or for another error body. */
export function buildProblem(body: unknown, response: Response): ProblemError {
  const problem = isRecord(body) ? body : {};
  const code = typeof problem.code === "string" ? problem.code : "unknown";
  const Kind = response.status === 401 ? NotSignedInError : (BY_CODE[code] ?? ProblemError);
  return new Kind(
    code,
    response.status,
    typeof problem.detail === "string" ? problem.detail : response.statusText || "No reason given.",
    Array.isArray(problem.errors) ? (problem.errors as FieldError[]) : [],
    response.headers.get("X-Request-ID"),
    problem,
  );
}

/** Read an error response and build its error. */
export async function readProblem(response: Response): Promise<ProblemError> {
  const body: unknown = await response.json().catch(() => null);
  return buildProblem(body, response);
}

/** Return true if the same request may succeed later. */
export function isTemporary({ status }: ProblemError): boolean {
  return status === 429 || status >= 500;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
