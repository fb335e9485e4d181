import createClient, { type Middleware } from 'openapi-fetch';

import { ApiError, isProblem } from './problem';
import type { paths } from './schema';
import { session } from './session';

const authorize: Middleware = {
  onRequest({ request }) {
    const token = session.token();
    if (token !== null) request.headers.set('Authorization', `Bearer ${token}`);
    return request;
  },
  onResponse({ request, response }) {
    const sent = request.headers.get('Authorization');
    // An answer to a request of a session that is over already must not end the one that came after it.
    if (response.status === 401 && sent !== null && sent === `Bearer ${session.token()}`) session.expire();
    return undefined;
  },
};

// fetch is looked up at each call, so that tests may replace it.
export const client = createClient<paths>({ baseUrl: window.location.origin, fetch: (request) => window.fetch(request) });
client.use(authorize);

interface Answer<T> {
  data?: T;
  error?: unknown;
  response: Response;
}

/* The data of a 2xx; anything else is thrown as an ApiError. */
export async function answer<T>(call: Promise<Answer<T>>): Promise<T> {
  let result: Answer<T>;
  try {
    result = await call;
  } catch (cause) {
    if (cause instanceof DOMException && cause.name === 'AbortError') throw cause;
    throw new ApiError(0, null, null);
  }
  const { data, error, response } = result;
  if (response.ok) return data as T;
  const problem = isProblem(error) ? error : null;
  throw new ApiError(response.status, problem, problem?.correlationId ?? response.headers.get('X-Correlation-Id'));
}

/* A key that makes a POST safe to repeat. Not crypto.randomUUID, which plain http on another host than localhost does not have. */
export function newKey(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
}
