/**
 * Checks a round once its seed is revealed: that the commitment shown at its opening was
 * to this seed, that the layout came from it, and that it continues the hash chain.
 *
 * A pure fold; it keeps the announcements of a bounded number of rounds.
 */
import { hkdf } from '@noble/hashes/hkdf.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, concatBytes, hexToBytes, utf8ToBytes } from '@noble/hashes/utils.js';
import type { RevealedSeed, RoundInfo } from 'huntcore-client';
import { WordStream } from './chacha';

/** Rounds per chain: the last seed of one chain does not hash to the next one's first. */
export const CHAIN_LENGTH = 65_536;
const AWAITING_MAX = 256;

export interface Fairness {
  /** Rounds announced whose seed has not come yet. */
  readonly awaiting: ReadonlyMap<number, RoundInfo>;
  readonly last: RevealedSeed | null;
  readonly verified: number;
  /** Rounds whose seed contradicts what was announced: proof of an altered map. */
  readonly failed: readonly number[];
}

export const NOTHING_CHECKED: Fairness = { awaiting: new Map(), last: null, verified: 0, failed: [] };

export function expectSeeds(fairness: Fairness, rounds: Iterable<RoundInfo>): Fairness {
  const awaiting = new Map(fairness.awaiting);
  for (const round of rounds) {
    // A round whose seed was already seen comes again after a resume.
    if (fairness.last !== null && round.round <= fairness.last.round) continue;
    awaiting.set(round.round, round);
  }
  for (const round of awaiting.keys()) {
    if (awaiting.size <= AWAITING_MAX) break;
    awaiting.delete(round);
  }
  return { ...fairness, awaiting };
}

export function checkSeeds(fairness: Fairness, seeds: readonly RevealedSeed[]): Fairness {
  let { last, verified } = fairness;
  const awaiting = new Map(fairness.awaiting);
  const failed = [...fairness.failed];
  for (const revealed of [...seeds].sort((left, right) => left.round - right.round)) {
    const announced = awaiting.get(revealed.round);
    const linked = follows(last, revealed);
    if (last === null || revealed.round > last.round) last = revealed;
    if (announced === undefined) continue;
    awaiting.delete(revealed.round);
    if (linked && opensCommitment(announced, revealed.seed)) verified += 1;
    else failed.push(revealed.round);
  }
  return { awaiting, last, verified, failed };
}

/** True as well where the two are not neighbours in one chain: nothing to compare then. */
function follows(last: RevealedSeed | null, next: RevealedSeed): boolean {
  if (last === null || next.round !== last.round + 1) return true;
  if ((next.round - 1) % CHAIN_LENGTH === 0) return true;
  return bytesToHex(sha256(hexToBytes(next.seed))) === last.seed;
}

function opensCommitment(announced: RoundInfo, seed: string): boolean {
  const bytes = hexToBytes(seed);
  return (
    commitment(announced.round, bytes) === announced.commitment &&
    bytesToHex(layoutOf(bytes)) === announced.layout
  );
}

export function commitment(round: number, seed: Uint8Array): string {
  return bytesToHex(sha256(concatBytes(utf8ToBytes('huntcore/commit'), u64(round), seed)));
}

export function layoutOf(seed: Uint8Array): Uint8Array {
  return hkdf(sha256, seed, undefined, utf8ToBytes('huntcore/layout'), 32);
}

/** Points by tile, drawn from the seed over the table's cumulative weights. */
export function drawValues(
  seed: Uint8Array,
  tiles: number,
  table: readonly { readonly points: number; readonly weight: number }[],
): Uint32Array {
  const words = new WordStream(hkdf(sha256, seed, undefined, utf8ToBytes('huntcore/values'), 32));
  const total = table.reduce((sum, row) => sum + row.weight, 0);
  return Uint32Array.from({ length: tiles }, () => {
    let rest = words.uniform(total);
    for (const row of table) {
      if (rest < row.weight) return row.points;
      rest -= row.weight;
    }
    throw new RangeError('the draw passed the table of weights');
  });
}

function u64(value: number): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(value));
  return bytes;
}
