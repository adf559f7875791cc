/** Reading JSON that somebody else wrote. */

export type Json = Readonly<Record<string, unknown>>;

/** A message or an answer lacks something that cannot be done without. */
export class MalformedError extends Error {
  override readonly name = 'MalformedError';
}

export function asObject(value: unknown): Json | null {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : null;
}

export function object(body: Json, key: string): Json {
  const value = asObject(body[key]);
  if (value === null) throw new MalformedError(`${key} is not an object`);
  return value;
}

export function array(body: Json, key: string): readonly unknown[] {
  const value = body[key];
  if (!Array.isArray(value)) throw new MalformedError(`${key} is not an array`);
  return value as readonly unknown[];
}

/** Left out counts as empty. */
export function arrayOrEmpty(body: Json, key: string): readonly unknown[] {
  return body[key] === undefined ? [] : array(body, key);
}

export function objects(body: Json, key: string): Json[] {
  return array(body, key).map((item) => {
    const found = asObject(item);
    if (found === null) throw new MalformedError(`${key} holds something that is not an object`);
    return found;
  });
}

export function objectsOrEmpty(body: Json, key: string): Json[] {
  return body[key] === undefined ? [] : objects(body, key);
}

export function text(body: Json, key: string): string {
  const value = body[key];
  if (typeof value !== 'string') throw new MalformedError(`${key} is not a string`);
  return value;
}

/** `null` and left out are the same. */
export function textOrNull(body: Json, key: string): string | null {
  return absent(body, key) ? null : text(body, key);
}

/** 32 bytes in lower-case hex. */
export function hash(body: Json, key: string): string {
  const value = text(body, key);
  if (!/^[0-9a-f]{64}$/.test(value)) throw new MalformedError(`${key} is not 32 bytes in hex`);
  return value;
}

export function hashOrNull(body: Json, key: string): string | null {
  return absent(body, key) ? null : hash(body, key);
}

export function integer(body: Json, key: string): number {
  return asInteger(body[key], key);
}

export function integerOrNull(body: Json, key: string): number | null {
  return absent(body, key) ? null : integer(body, key);
}

export function asInteger(value: unknown, name: string): number {
  if (!Number.isSafeInteger(value)) throw new MalformedError(`${name} is not an integer`);
  return value as number;
}

export function number(body: Json, key: string): number {
  const value = body[key];
  if (typeof value !== 'number') throw new MalformedError(`${key} is not a number`);
  return value;
}

export function numberOrNull(body: Json, key: string): number | null {
  return absent(body, key) ? null : number(body, key);
}

export function flag(body: Json, key: string): boolean {
  const value = body[key];
  if (typeof value !== 'boolean') throw new MalformedError(`${key} is not true or false`);
  return value;
}

/** Left out counts as false. */
export function flagOrFalse(body: Json, key: string): boolean {
  return body[key] === undefined ? false : flag(body, key);
}

export function time(body: Json, key: string): number {
  const parsed = Date.parse(text(body, key));
  if (Number.isNaN(parsed)) throw new MalformedError(`${key} is not a time`);
  return parsed;
}

export function timeOrNull(body: Json, key: string): number | null {
  return absent(body, key) ? null : time(body, key);
}

function absent(body: Json, key: string): boolean {
  return body[key] === undefined || body[key] === null;
}
