import type { Problem } from './types';

/* What a failed request throws. `status` is 0 when no answer came at all; `problem` is null when the answer was no problem+json. */
export class ApiError extends Error {
  readonly status: number;
  readonly problem: Problem | null;
  readonly correlationId: string | null;

  constructor(status: number, problem: Problem | null, correlationId: string | null) {
    super(problem?.detail ?? (status === 0 ? 'no answer' : `status ${status}`));
    this.name = 'ApiError';
    this.status = status;
    this.problem = problem;
    this.correlationId = correlationId;
  }

  /* Worth a try without any change: nothing came back, or the server asked to try again. */
  get retryable(): boolean {
    return this.status === 0 || this.status === 503 || this.status === 504;
  }
}

export function isProblem(value: unknown): value is Problem {
  return typeof value === 'object' && value !== null && 'status' in value && 'title' in value;
}
