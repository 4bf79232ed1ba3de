/** What can go wrong, as problem documents (RFC 9457) tell it. No error ever holds a token. */

import type { Job } from "./types.js";

/** What is wrong with one field of a request. */
export interface FieldError {
  field: string;
  code: string;
  detail: string;
}

/** An answer of the API that is no success. */
export class ProblemError extends Error {
  override name = "ProblemError";

  constructor(
    /** Stable; for programs. */
    readonly code: string,
    /** Of HTTP; 0 where no answer told it. */
    readonly status: number,
    /** For people. */
    readonly detail: string,
    /** By field, where fields are wrong. */
    readonly errors: readonly FieldError[] = [],
    /** By which the server's logs name the request. */
    readonly requestId: string | null = null,
    /** The whole problem document. */
    readonly problem: Readonly<Record<string, unknown>> = {},
  ) {
    const texts = errors.map((error) => `${error.field}: ${error.detail}`);
    const fields = texts.filter((text) => !detail.includes(text)).join("; ");
    super(`${status} ${code}: ${detail}${fields && ` (${fields})`}`);
  }
}

/** There is no token, or it is no longer good: sign in again. */
export class NotSignedInError extends ProblemError {
  override name = "NotSignedInError";
}

/** The credits do not suffice. */
export class InsufficientCreditsError extends ProblemError {
  override name = "InsufficientCreditsError";

  get balance(): number {
    return Number(this.problem.balance);
  }

  get required(): number {
    return Number(this.problem.required);
  }
}

/** Somebody else has changed the timeline since the version that the edit was made for. */
export class StaleEditError extends ProblemError {
  override name = "StaleEditError";

  /** The version that the edit was made for; null where the request was not made by `edit`. */
  version: number | null = null;

  /** The version that the timeline has. */
  get currentVersion(): number {
    return Number(this.problem.version);
  }
}

/** The uploaded file was refused. */
export class UploadRejectedError extends ProblemError {
  override name = "UploadRejectedError";

  /** Why, for programs. */
  get reason(): string {
    return String(this.problem.reason);
  }
}

/** The job has ended without a result: it failed, or was cancelled. */
export class JobFailedError extends ProblemError {
  override name = "JobFailedError";

  constructor(readonly job: Job) {
    super(job.error?.code ?? "CANCELLED", 0, job.error?.message ?? `The job is ${job.status}.`);
  }

  /** Whether asking again may help. */
  get retryable(): boolean {
    return this.job.error?.retryable ?? false;
  }
}

const BY_CODE: Record<string, typeof ProblemError> = {
  insufficient_credits: InsufficientCreditsError,
  stale_edl: StaleEditError,
  upload_rejected: UploadRejectedError,
};

/** The error for a problem document, or for whatever a proxy has answered in its place. */
export function problemOf(body: unknown, response: Response): ProblemError {
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

/** The error for an answer that nobody has read yet. */
export async function readProblem(response: Response): Promise<ProblemError> {
  const body: unknown = await response.json().catch(() => null);
  return problemOf(body, response);
}

/** Whether asking again may have another answer, by itself. */
export function isPassing({ status }: ProblemError): boolean {
  return status === 429 || status >= 500;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
