/**
 * A stream of u32 words from ChaCha20, and the uniform draw that the maps are made with.
 *
 * Nonce and starting counter are zero, words are little-endian in stream order: the same
 * stream as Rust's `rand_chacha::ChaCha20Rng` seeded with the key.
 */
import { chacha20 } from '@noble/ciphers/chacha.js';

const BLOCK_BYTES = 64;
const BLOCKS_PER_REFILL = 64;
const NONCE = new Uint8Array(12);
const TWO_TO_32 = 2 ** 32;

export class WordStream {
  readonly #key: Uint8Array;
  #block = 0;
  #view = new DataView(new ArrayBuffer(0));
  #offset = 0;

  constructor(key: Uint8Array) {
    if (key.length !== 32) throw new RangeError(`a ChaCha20 key has 32 bytes, not ${key.length}`);
    this.#key = key;
  }

  next(): number {
    if (this.#offset === this.#view.byteLength) this.#refill();
    const word = this.#view.getUint32(this.#offset, true);
    this.#offset += 4;
    return word;
  }

  /** Uniform in 0..bound, by rejection: no value is likelier than another. */
  uniform(bound: number): number {
    const zone = Math.floor(TWO_TO_32 / bound) * bound;
    for (;;) {
      const word = this.next();
      if (word < zone) return word % bound;
    }
  }

  #refill(): void {
    const zeros = new Uint8Array(BLOCK_BYTES * BLOCKS_PER_REFILL);
    const bytes = chacha20(this.#key, NONCE, zeros, undefined, this.#block);
    this.#block += BLOCKS_PER_REFILL;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#offset = 0;
  }
}
