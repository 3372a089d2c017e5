// The program's answers. The token is kept for this tab alone and goes into a header: it is never in
// an address that is sent, or in one that is seen.

const KEPT = 'postbox-token';

export class Failure extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;  // 0: there was no answer
  }
}

// Takes the token out of the address, if one is there.
export function take_token() {
  const found = /^#token=(.+)$/.exec(location.hash);
  if (!found) return;
  use_token(found[1]);
  history.replaceState(null, '', location.pathname);
}

export function use_token(token) {
  sessionStorage.setItem(KEPT, token.trim());
}

async function answer_of(request) {
  let response;
  try {
    response = await request();
  } catch {
    throw new Failure(0, 'There is no answer: does `postbox serve` still run?');
  }
  const body = await response.json().catch(() => ({}));
  if (!response.ok) throw new Failure(response.status, body.error ?? `HTTP ${response.status}`);
  return body;
}

// A header takes no others than these characters.
const headers = () => ({Authorization: `Bearer ${(sessionStorage.getItem(KEPT) ?? '').replace(/[^!-~]/g, '?')}`});

export const status = () => answer_of(() => fetch('/api/status', {headers: headers(), cache: 'no-store'}));

// The question stands in the body, so that no order's number is in an address.
export const ask = (what, asked) => answer_of(() => fetch(`/api/${what}`, {
  method: 'POST',
  headers: {...headers(), 'Content-Type': 'application/json'},
  body: JSON.stringify(asked),
}));
