/**
 * Who plays in this browser, per hunt: the token and the history of attempts.
 *
 * Kept in localStorage where the browser allows it; where not, the page simply forgets.
 */
export interface Identity {
  readonly player: string;
  readonly token: string;
  readonly expiresAtMs: number | null;
  readonly name: string;
}

export function recall(hunt: string, nowMs: number): Identity | null {
  const stored = read(identityKey(hunt));
  if (stored === null) return null;
  let value: unknown;
  try {
    value = JSON.parse(stored);
  } catch {
    return null;
  }
  if (typeof value !== 'object' || value === null) return null;
  const { player, token, expiresAtMs, name } = value as Record<string, unknown>;
  if (typeof player !== 'string' || typeof token !== 'string') return null;
  const expires = typeof expiresAtMs === 'number' ? expiresAtMs : null;
  if (expires !== null && expires <= nowMs) {
    forget(hunt);
    return null;
  }
  return { player, token, expiresAtMs: expires, name: typeof name === 'string' ? name : player };
}

export function keep(hunt: string, identity: Identity): void {
  write(identityKey(hunt), JSON.stringify(identity));
}

export function forget(hunt: string): void {
  remove(identityKey(hunt));
}

export function readHistory(hunt: string, player: string | null): string | null {
  return player === null ? null : read(historyKey(hunt, player));
}

export function writeHistory(hunt: string, player: string, history: string): void {
  write(historyKey(hunt, player), history);
}

/** The player named in a token, for display only: the server decides whether it is genuine. */
export function fromToken(token: string): Identity {
  let player = 'player';
  let expiresAtMs: number | null = null;
  try {
    const payload = (token.split('.')[1] ?? '').replaceAll('-', '+').replaceAll('_', '/');
    const bytes = Uint8Array.from(atob(payload), (character) => character.charCodeAt(0));
    const claims = JSON.parse(new TextDecoder().decode(bytes)) as { sub?: unknown; exp?: unknown };
    if (typeof claims.sub === 'string') player = claims.sub;
    if (typeof claims.exp === 'number') expiresAtMs = claims.exp * 1000;
  } catch {
    // Not a readable token; the server will say what it thinks of it.
  }
  return { player, token, expiresAtMs, name: player };
}

const ADJECTIVES = ['swift', 'lucky', 'bold', 'quiet', 'merry', 'keen', 'brave', 'clever', 'amber', 'silver'];
const ANIMALS = ['otter', 'heron', 'fox', 'badger', 'magpie', 'hare', 'lynx', 'raven', 'newt', 'swan'];

/** A name that no one has to think of: `lucky-heron-42`. */
export function suggestName(random: () => number): string {
  const pick = (words: readonly string[]): string => words[Math.floor(random() * words.length)] ?? '';
  return `${pick(ADJECTIVES)}-${pick(ANIMALS)}-${10 + Math.floor(random() * 90)}`;
}

function identityKey(hunt: string): string {
  return `huntcore.player.${hunt}`;
}

function historyKey(hunt: string, player: string): string {
  return `huntcore.history.${hunt}.${player}`;
}

function read(key: string): string | null {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

function write(key: string, value: string): void {
  try {
    localStorage.setItem(key, value);
  } catch {
    // Full or forbidden: nothing that the hunt itself depends on.
  }
}

function remove(key: string): void {
  try {
    localStorage.removeItem(key);
  } catch {
    // As above.
  }
}
