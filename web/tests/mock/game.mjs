/**
 * The mock's hunt: rounds by the clock, claims, players that are not there, a board.
 *
 * It follows the wire contract and the fairness specification, and nothing else of the
 * real server: no durability, no limits, one process, everything in memory.
 */
import { chacha20 } from '@noble/ciphers/chacha.js';
import { hkdf } from '@noble/hashes/hkdf.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, concatBytes, utf8ToBytes } from '@noble/hashes/utils.js';
import { polygonToCells } from 'h3-js';
import { OUTLINE } from './area.mjs';

export const CHAIN_LENGTH = 65_536;
export const VALUES = [
  { points: 1, weight: 70 },
  { points: 5, weight: 20 },
  { points: 25, weight: 9 },
  { points: 100, weight: 1 },
];
const FRAMES_MAX = 3_000;
const TENS_MS = 10_000;
const TENS_KEPT = 30;
/** A board of the hunt's own: claims' points within ten seconds. */
const TENS = { name: 'tens', from: 'claims', operator: 'sum', order: 'descending', window: '10s', time: 'server', results: 100 };
const BOARDS = ['total', 'best', 'second', 'tens'];

export class Game {
  constructor({ hunt = 'park', tiles = 1024, roundMs = 1000, claimWindowMs = 10_000, bots = 240, claimsPerSecond = 420, firstRound = 1, valuesHidden = false, now = Date.now } = {}) {
    Object.assign(this, { hunt, tiles, roundMs, claimWindowMs, claimsPerSecond, valuesHidden, now });
    this.cells = polygonToCells(OUTLINE.coordinates, 12, true).sort();
    this.startedAt = now() - (firstRound - 1) * roundMs;
    this.createdAt = now();
    this.state = 'running';
    this.seeds = chain(utf8ToBytes(`mock/${hunt}`));
    this.open = new Map();
    this.maps = new Map();
    this.scores = new Map();
    this.bots = Array.from({ length: bots }, (_, index) => botName(index));
    // A hunt that is joined late has a board already.
    this.bots.forEach((bot, index) => this.scores.set(bot, Math.round((firstRound > 1 ? 40 : 0) * (bots - index) * (0.6 + Math.random() * 0.5))));
    /** By the start of the window. */
    this.tens = new Map();
    this.corrections = [];
    this.disqualified = new Set();
    this.frames = [];
    this.sequence = 0;
    this.tick = 0;
    this.pending = emptyDelta();
    this.stats = { attempts: 0, won: 0, taken: 0, refused: {}, events: 0, latencies: [] };
    if (firstRound > 1) this.#pastTens();
    this.lastRound = this.roundAt(now()) - 1;
    this.botDebt = 0;
  }

  roundAt(time) {
    return Math.floor((time - this.startedAt) / this.roundMs) + 1;
  }

  view({ withOutline }) {
    return {
      hunt: this.hunt, state: this.state, created_at: iso(this.createdAt), starts_at: iso(this.startedAt),
      round_ms: this.roundMs, claim_window_ms: this.claimWindowMs, resolution: 12, tiles: this.tiles,
      cells: this.cells.length, config_version: 1, config_hash: '00'.repeat(32), values: VALUES,
      values_hidden: this.valuesHidden, anchor: bytesToHex(this.seeds[0]), boards: BOARDS,
      versions: [{ version: 1, from_round: 1, from_time: iso(this.startedAt), config_hash: '00'.repeat(32) }],
      ...(withOutline ? { outline: OUTLINE, board_definitions: [TENS] } : {}),
    };
  }

  /** One step of the clock: opens and closes rounds, lets the bots play, returns the messages. */
  step(stepMs) {
    const messages = [];
    const time = this.now();
    for (let round = this.lastRound + 1; round <= this.roundAt(time); round += 1) {
      this.lastRound = round;
      messages.push({ type: 'round', ...this.#openRound(round) });
    }
    for (const [round, open] of this.open) {
      if (open.closesAt > time) continue;
      this.open.delete(round);
      (this.pending.closed ??= []).push(round);
      (this.pending.seeds ??= []).push({ round, seed: bytesToHex(this.seeds[round]) });
    }
    if (this.state === 'running') this.#playBots(stepMs);
    this.tick += 1;
    if (Object.keys(this.pending).length > 1 || this.pending.claims.length > 0) {
      messages.push({ type: 'delta', oldest: this.oldest(), ...this.pending });
      this.pending = emptyDelta();
    }
    for (const message of messages) {
      this.sequence += 1;
      message.tick = this.tick;
      message.resume = this.position();
      this.frames.push({ sequence: this.sequence, message });
    }
    this.frames.splice(0, Math.max(0, this.frames.length - FRAMES_MAX));
    return messages;
  }

  oldest() {
    return this.open.keys().next().value ?? this.lastRound + 1;
  }

  position() {
    return `m${this.sequence}`;
  }

  /** The messages after a position, or `null` where they are gone. */
  since(position) {
    const from = Number(/^m(\d+)$/.exec(position)?.[1] ?? Number.NaN);
    if (!(from <= this.sequence) || from < (this.frames[0]?.sequence ?? 1) - 1) return null;
    return this.frames.filter(({ sequence }) => sequence > from).map(({ message }) => message);
  }

  snapshot() {
    return {
      type: 'snapshot', tick: this.tick, resume: this.position(), hunt: this.hunt, state: this.state,
      rounds: [...this.open.values()].map((open) => ({
        ...open.info,
        claims: [...open.claims].map(([tile, { player, points }]) => ({ tile, player, points })),
      })),
      oldest: this.oldest(),
      board: this.board('total', 100),
      corrections: this.corrections,
      boards: { version: 1, list: BOARDS.map((board) => (board === 'tens' ? { board, generation: 1 } : { board })) },
    };
  }

  /** `claim-voided` takes the points of a player's last claim back. */
  correct(kind, player, reason) {
    const correction = { kind, player, reason, corrected_at: iso(this.now()), position: `c${this.corrections.length}` };
    if (kind === 'disqualified') this.disqualified.add(player);
    if (kind === 'reinstated') this.disqualified.delete(player);
    if (kind === 'claim-voided') {
      const [round, open] = [...this.open].findLast(([, { claims }]) => [...claims.values()].some((one) => one.player === player));
      const [tile, claim] = [...open.claims].find(([, one]) => one.player === player);
      this.scores.set(player, this.scores.get(player) - claim.points);
      Object.assign(correction, { round, tile, points: claim.points });
    }
    this.corrections.push(correction);
    (this.pending.corrections ??= []).push(correction);
  }

  claim(player, round, tile) {
    this.stats.attempts += 1;
    const refuse = (outcome) => {
      this.stats.refused[outcome] = (this.stats.refused[outcome] ?? 0) + 1;
      return { outcome };
    };
    const open = this.open.get(round);
    if (!Number.isInteger(tile) || tile < 0 || tile >= this.tiles) return refuse('unknown-tile');
    if (open === undefined) return refuse(round > this.lastRound ? 'not-yet-open' : 'expired');
    const winner = open.claims.get(tile);
    if (winner === undefined) {
      if (this.state === 'paused') return refuse('hunt-paused');
      const points = open.values[tile];
      open.claims.set(tile, { player, points, position: `p${this.stats.won}` });
      this.scores.set(player, (this.scores.get(player) ?? 0) + points);
      this.#scoreTens(player, points);
      this.stats.won += 1;
      this.pending.claims.push({ round, tile, player, points });
      return { outcome: 'won', points, receipt: { position: `p${this.stats.won}`, time: iso(this.now()) } };
    }
    if (winner.player === player) {
      return { outcome: 'won', points: winner.points, receipt: { position: winner.position, time: iso(this.now()) } };
    }
    this.stats.taken += 1;
    return { outcome: 'taken', winner_position: winner.position };
  }

  ranked(scores = this.scores) {
    return [...scores]
      .filter(([player, score]) => score > 0 && !this.disqualified.has(player))
      .sort(([, left], [, right]) => right - left)
      .map(([player, score], index) => ({ rank: index + 1, player, score }));
  }

  /** A page of a board; `null` where there is no such window. */
  board(board, limit, { window = null, cursor = null } = {}) {
    const found = this.#found(board, window);
    if (found === null) return null;
    const { ranked, ...shown } = found;
    const from = Number(cursor ?? 0);
    const more = from + limit < ranked.length;
    return {
      board, ...shown, position: this.position(), players: ranked.length, entries: ranked.slice(from, from + limit),
      ...(more ? { next_cursor: String(from + limit) } : {}),
    };
  }

  playerRank(board, player, { window = null, around = 2 } = {}) {
    const found = this.#found(board, window);
    const own = found?.ranked.find((entry) => entry.player === player);
    if (own === undefined) return null;
    const { ranked, ...shown } = found;
    return {
      board, ...shown, position: this.position(), ...own, of: ranked.length,
      neighbours: around === 0 ? [] : ranked.slice(Math.max(0, own.rank - 1 - around), own.rank + around),
    };
  }

  /** Newest first. */
  windows(board) {
    if (board !== 'tens') return [];
    return [...this.tens].reverse().map(([startMs, scores]) => {
      const final = this.now() >= startMs + TENS_MS;
      return {
        start: iso(startMs), end: iso(startMs + TENS_MS), final, provisional: false, players: this.ranked(scores).length, recorded: final,
      };
    });
  }

  #found(board, window) {
    if (board === 'total') return { window: { start: null, end: null, final: false }, ranked: this.ranked() };
    if (board === 'best') return { window: { start: null, end: null, final: false }, ranked: [] };
    const final = [...this.tens.keys()].filter((startMs) => this.now() >= startMs + TENS_MS);
    const startMs = window ?? final.at(-1);
    const scores = board === 'tens' ? this.tens.get(startMs) : undefined;
    if (scores === undefined) return null;
    return {
      generation: 1, window: { start: iso(startMs), end: iso(startMs + TENS_MS), final: final.includes(startMs) }, ranked: this.ranked(scores),
    };
  }

  #scoreTens(player, points) {
    const startMs = Math.floor(this.now() / TENS_MS) * TENS_MS;
    let scores = this.tens.get(startMs);
    if (scores === undefined) this.tens.set(startMs, (scores = new Map()));
    scores.set(player, (scores.get(player) ?? 0) + points);
    for (const oldest of this.tens.keys()) {
      if (this.tens.size <= TENS_KEPT) break;
      this.tens.delete(oldest);
    }
  }

  /** Windows of a hunt that is joined late. */
  #pastTens() {
    const now = Math.floor(this.now() / TENS_MS) * TENS_MS;
    for (let back = TENS_KEPT - 1; back > 0; back -= 1) {
      const scores = this.bots.slice(0, 160).map((bot, index) => [bot, Math.round((160 - index) * (0.2 + Math.random()))]);
      this.tens.set(now - back * TENS_MS, new Map(scores));
    }
  }

  roundView(round) {
    const open = this.open.get(round);
    if (open === undefined) return null;
    return { hunt: this.hunt, ...open.info, server_time: iso(this.now()) };
  }

  setState(state) {
    this.state = state;
    this.pending.state = state;
  }

  #openRound(round) {
    const seed = this.seeds[round];
    const layout = hkdf(sha256, seed, undefined, utf8ToBytes('huntcore/layout'), 32);
    const draw = words(layout);
    const indices = this.cells.map((_, index) => index);
    for (let i = 0; i < this.tiles; i += 1) {
      const j = i + draw(this.cells.length - i);
      [indices[i], indices[j]] = [indices[j], indices[i]];
    }
    const drawValue = words(hkdf(sha256, seed, undefined, utf8ToBytes('huntcore/values'), 32));
    const total = VALUES.reduce((sum, { weight }) => sum + weight, 0);
    const values = Array.from({ length: this.tiles }, () => {
      let rest = drawValue(total);
      return VALUES.find(({ weight }) => (rest -= weight) < 0).points;
    });
    const opensAt = this.startedAt + (round - 1) * this.roundMs;
    const map = bytesToHex(sha256(concatBytes(utf8ToBytes('mock/map'), u64(round), seed)));
    const info = {
      hunt: this.hunt, round, config_version: 1, map,
      commitment: bytesToHex(sha256(concatBytes(utf8ToBytes('huntcore/commit'), u64(round), seed))),
      layout: bytesToHex(layout), tiles: this.tiles,
      opens_at: iso(opensAt), closes_at: iso(opensAt + this.claimWindowMs),
    };
    this.open.set(round, { info, values, claims: new Map(), closesAt: opensAt + this.claimWindowMs });
    this.maps.set(map, {
      hunt: this.hunt, round, map, config_hash: '00'.repeat(32),
      tiles: values.map((value, tile) => ({
        tile, cell: this.cells[indices[tile]], ...(this.valuesHidden ? {} : { value }),
      })),
    });
    for (const name of this.maps.keys()) {
      if (this.maps.size <= 32) break;
      this.maps.delete(name);
    }
    return info;
  }

  #playBots(stepMs) {
    this.botDebt += (this.claimsPerSecond * stepMs) / 1000;
    const rounds = [...this.open.keys()];
    for (; this.botDebt >= 1; this.botDebt -= 1) {
      // Strong players stand first in the list and play more often.
      const bot = this.bots[Math.floor(this.bots.length * Math.random() ** 1.7)];
      const round = rounds[rounds.length - 1 - Math.floor(rounds.length * Math.random() ** 3)];
      if (round === undefined || bot === undefined) return;
      this.claim(bot, round, Math.floor(Math.random() * this.tiles));
      this.stats.latencies.push(2 + 6 * Math.random() ** 4);
    }
    this.stats.latencies.splice(0, Math.max(0, this.stats.latencies.length - 4_000));
  }
}

/** seeds[k] for k in 0..=L: each the SHA-256 of the next. */
function chain(key) {
  const seeds = Array.from({ length: CHAIN_LENGTH + 1 });
  seeds[CHAIN_LENGTH] = sha256(key);
  for (let index = CHAIN_LENGTH; index > 0; index -= 1) seeds[index - 1] = sha256(seeds[index]);
  return seeds;
}

/** Uniform draws from a ChaCha20 stream, a block at a time. */
function words(key) {
  let block = 0;
  let queue = [];
  const next = () => {
    if (queue.length === 0) {
      const bytes = chacha20(key, new Uint8Array(12), new Uint8Array(64), undefined, block);
      block += 1;
      const view = new DataView(bytes.buffer, bytes.byteOffset);
      queue = Array.from({ length: 16 }, (_, index) => view.getUint32(index * 4, true));
    }
    return queue.shift();
  };
  return (bound) => {
    const zone = Math.floor(2 ** 32 / bound) * bound;
    for (;;) {
      const word = next();
      if (word < zone) return word % bound;
    }
  };
}

function emptyDelta() {
  return { claims: [] };
}

function u64(value) {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(value));
  return bytes;
}

export function iso(time) {
  return new Date(time).toISOString();
}

const FIRST = ['Ada', 'Mika', 'Noor', 'Iris', 'Otto', 'Lena', 'Yuki', 'Femi', 'Zoë', 'Tariq', 'Ines', 'Bjørn', 'Mei', 'Sol', 'Anouk', 'Ravi'];
const SECOND = ['Fox', 'Heron', 'Lynx', 'Wren', 'Otter', 'Moss', 'Vale', 'Quill', 'Ember', 'Reed', 'Finch', 'Stone', 'Brook', 'Ash', 'Lark'];

function botName(index) {
  return `${FIRST[index % FIRST.length]} ${SECOND[Math.floor(index / FIRST.length) % SECOND.length]}`;
}
