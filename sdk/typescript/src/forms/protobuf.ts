/**
 * Protobuf's wire format, as far as huntcore's messages use it.
 *
 * Reflection-free: who reads knows the fields and skips the rest. Integers beyond 2^53 - 1,
 * which JavaScript cannot hold, are refused and not rounded, as is everything that breaks off.
 */
import { MalformedError } from '../reading.ts';

const VARINT = 0;
const FIXED64 = 1;
const BYTES = 2;
const FIXED32 = 5;

const TWO_32 = 2 ** 32;
/** Up to this length a text is put together byte by byte, if it is ASCII. */
const SHORT_BYTES = 64;
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();

export class Reader {
  readonly #bytes: Uint8Array;
  #at = 0;
  #wire = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** The next field's number, or 0 at the end. Its value must be read, or skipped. */
  field(): number {
    if (this.#at === this.#bytes.length) return 0;
    const tag = this.#varint();
    if (tag < 8 || tag >= TWO_32) throw new MalformedError(`field tag ${tag} at byte ${this.#at}`);
    this.#wire = tag & 7;
    return tag >>> 3;
  }

  skip(): void {
    if (this.#wire === VARINT) this.#rawVarint();
    else if (this.#wire === FIXED64) this.#take(8);
    else if (this.#wire === BYTES) this.#take(this.#varint());
    else if (this.#wire === FIXED32) this.#take(4);
    else throw new MalformedError(`wire type ${this.#wire} at byte ${this.#at}`);
  }

  /** Also an enum's number. */
  unsigned(): number {
    this.#expect(VARINT);
    return this.#varint();
  }

  /** Zigzag. */
  signed(): number {
    this.#expect(VARINT);
    const [low, high] = this.#rawVarint();
    const half = high * 2 ** 31 + (low >>> 1);
    return exact((low & 1) === 1 ? -half - 1 : half);
  }

  flag(): boolean {
    return this.unsigned() !== 0;
  }

  /** A view, not a copy. */
  bytes(): Uint8Array {
    this.#expect(BYTES);
    return this.#take(this.#varint());
  }

  text(): string {
    this.#expect(BYTES);
    const length = this.#varint();
    return this.#shortAscii(length) ?? this.#anyText(length);
  }

  message(): Reader {
    return new Reader(this.bytes());
  }

  /** Appends the numbers of a repeated field: packed ones, or one alone. */
  appendNumbers(column: number[]): void {
    if (this.#wire === VARINT) {
      column.push(this.#varint());
      return;
    }
    const packed = this.message();
    while (packed.#at < packed.#bytes.length) column.push(packed.#varint());
  }

  /** The same of any 64 bits, in hex without padding. */
  appendHexNumbers(column: string[]): void {
    if (this.#wire === VARINT) {
      column.push(hex64(this.#rawVarint()));
      return;
    }
    const packed = this.message();
    while (packed.#at < packed.#bytes.length) column.push(hex64(packed.#rawVarint()));
  }

  /** Players' ids are nearly all of this kind, for which calling the decoder takes longest. */
  #shortAscii(length: number): string | null {
    const end = this.#at + length;
    if (length > SHORT_BYTES || end > this.#bytes.length) return null;
    let text = '';
    for (let at = this.#at; at < end; at += 1) {
      const byte = this.#bytes[at] as number;
      if (byte >= 0x80) return null;
      text += String.fromCharCode(byte);
    }
    this.#at = end;
    return text;
  }

  #anyText(length: number): string {
    try {
      return decoder.decode(this.#take(length));
    } catch (error) {
      if (error instanceof MalformedError) throw error;
      throw new MalformedError(`text before byte ${this.#at} is not UTF-8`);
    }
  }

  #varint(): number {
    const first = this.#bytes[this.#at];
    if (first !== undefined && first < 0x80) {
      this.#at += 1;
      return first;
    }
    const [low, high] = this.#rawVarint();
    return exact(high * TWO_32 + low);
  }

  /** The lower and the upper 32 bits, both unsigned. */
  #rawVarint(): [low: number, high: number] {
    let low = 0;
    let high = 0;
    for (let index = 0; index < 10; index += 1) {
      const byte = this.#bytes[this.#at];
      if (byte === undefined) throw new MalformedError(`a number breaks off at byte ${this.#at}`);
      this.#at += 1;
      if (index === 9 && byte > 1) break;
      const bits = byte & 0x7f;
      const shift = 7 * index;
      if (shift < 32) low |= bits << shift;
      if (shift + 7 > 32) high |= shift < 32 ? bits >>> (32 - shift) : bits << (shift - 32);
      if (byte < 0x80) return [low >>> 0, high >>> 0];
    }
    throw new MalformedError(`a number of more than 64 bits before byte ${this.#at}`);
  }

  #take(length: number): Uint8Array {
    const end = this.#at + length;
    if (end > this.#bytes.length) {
      throw new MalformedError(`${length} bytes wanted at byte ${this.#at} of ${this.#bytes.length}`);
    }
    const taken = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return taken;
  }

  #expect(wire: number): void {
    if (this.#wire !== wire) {
      throw new MalformedError(`wire type ${this.#wire} before byte ${this.#at}, expected ${wire}`);
    }
  }
}

export class Writer {
  #bytes = new Uint8Array(64);
  #length = 0;

  unsigned(field: number, value: number): this {
    return this.#varint(field * 8 + VARINT).#varint(value);
  }

  bytes(field: number, value: Uint8Array): this {
    this.#varint(field * 8 + BYTES).#varint(value.length);
    this.#reserve(value.length);
    this.#bytes.set(value, this.#length);
    this.#length += value.length;
    return this;
  }

  text(field: number, value: string): this {
    return this.bytes(field, encoder.encode(value));
  }

  message(field: number, value: Writer): this {
    return this.bytes(field, value.finish());
  }

  /** A packed field. */
  numbers(field: number, values: readonly number[]): this {
    const packed = new Writer();
    for (const value of values) packed.#varint(value);
    return this.message(field, packed);
  }

  /** A packed field of any 64 bits, given in hex. */
  hexNumbers(field: number, values: readonly string[]): this {
    const packed = new Writer();
    for (const value of values) packed.#longVarint(value);
    return this.message(field, packed);
  }

  finish(): Uint8Array<ArrayBuffer> {
    return this.#bytes.slice(0, this.#length);
  }

  #varint(value: number): this {
    this.#reserve(8);
    let rest = value;
    while (rest >= 0x80) {
      this.#bytes[this.#length++] = (rest % 0x80) | 0x80;
      rest = Math.floor(rest / 0x80);
    }
    this.#bytes[this.#length++] = rest;
    return this;
  }

  #longVarint(hex: string): void {
    if (!/^[0-9a-f]{1,16}$/.test(hex)) throw new RangeError(`${JSON.stringify(hex)} is not a number of 64 bits in lower-case hex`);
    this.#reserve(10);
    let rest = BigInt(`0x${hex}`);
    while (rest >= 0x80n) {
      this.#bytes[this.#length++] = Number(rest & 0x7fn) | 0x80;
      rest >>= 7n;
    }
    this.#bytes[this.#length++] = Number(rest);
  }

  #reserve(more: number): void {
    const wanted = this.#length + more;
    if (wanted <= this.#bytes.length) return;
    const larger = new Uint8Array(Math.max(wanted, 2 * this.#bytes.length));
    larger.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = larger;
  }
}

function hex64([low, high]: readonly [number, number]): string {
  return high === 0 ? low.toString(16) : high.toString(16) + low.toString(16).padStart(8, '0');
}

function exact(value: number): number {
  if (!Number.isSafeInteger(value)) throw new MalformedError('an integer beyond 2^53 - 1');
  return value;
}
