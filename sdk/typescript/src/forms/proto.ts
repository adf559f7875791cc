/**
 * Messages as binary frames of protobuf: subprotocol `huntcore.v1.proto`.
 *
 * Written by hand for the few messages there are, straight into the types of messages.ts; the
 * server publishes their definition at `/huntcore.v1.proto`, and a test holds the two together.
 */
import type {
  Board,
  BoardEntry,
  BoardList,
  BoardName,
  BoardWindow,
  ClientMessage,
  Correction,
  HuntState,
  Interest,
  RevealedSeed,
  RoundClaim,
  RoundInfo,
  ServerMessage,
  SnapshotRound,
  TileClaim,
} from '../messages.ts';
import { MalformedError } from '../reading.ts';
import type { Form } from './form.ts';
import { Reader, Writer } from './protobuf.ts';

export const proto: Form = {
  protocol: 'huntcore.v1.proto',
  encode(message) {
    const [field, body] = message.type === 'subscribe' ? [1, writeSubscribe(message)] : [2, writeClaim(message)];
    return new Writer().message(field, body).finish();
  },
  decode(frame) {
    if (typeof frame === 'string') throw new MalformedError('a text frame among binary frames');
    const reader = new Reader(frame);
    const field = reader.field();
    if (field === 0) throw new MalformedError('an empty message');
    const body = reader.message();
    if (reader.field() !== 0) throw new MalformedError('two messages in one frame');
    return READERS[field]?.(body) ?? null;
  },
};

/** By the field of `ServerMessage`. */
const READERS: Readonly<Record<number, (reader: Reader) => ServerMessage | null>> = {
  1: readSubscribed,
  2: readRound,
  3: readDelta,
  4: readSnapshot,
  5: readBoardMessage,
  6: readRank,
  7: readOutcome,
  8: readError,
};

// Index 0 stands for a field left out. A number is never used again for another name. Boards that
// are not among these go by their names, in another field.
const BOARDS: readonly (BoardName | undefined)[] = [undefined, 'total', 'best', 'second'];
const CORRECTIONS: readonly (string | undefined)[] = [undefined, 'claim-voided', 'disqualified', 'reinstated'];
const STATES: readonly (HuntState | undefined)[] = [undefined, 'scheduled', 'running', 'paused', 'ended', 'closed'];
const OUTCOMES: readonly (string | undefined)[] = [
  undefined,
  'won',
  'taken',
  'expired',
  'not-yet-open',
  'unknown-tile',
  'unknown-hunt',
  'hunt-paused',
  'rate-limited',
  'overloaded',
  'storage-full',
  'outcome-unknown',
  'invalid',
];

// --- What clients send -----------------------------------------------------------------

function writeSubscribe({ resume, interest, ownRank }: ClientMessage & { readonly type: 'subscribe' }): Writer {
  const writer = new Writer();
  if (resume !== undefined) writer.bytes(1, base64urlBytes(resume));
  if (interest !== undefined && interest !== 'everything') writer.message(2, writeInterest(interest));
  if (ownRank !== undefined) {
    if (BOARDS.includes(ownRank)) writer.unsigned(3, BOARDS.indexOf(ownRank));
    else writer.text(4, ownRank);
  }
  return writer;
}

function writeInterest(interest: Exclude<Interest, 'everything'>): Writer {
  if ('cells' in interest) return new Writer().message(1, new Writer().hexNumbers(1, interest.cells));
  const boards = new Writer().numbers(1, interest.boards.filter((board) => BOARDS.includes(board)).map((board) => BOARDS.indexOf(board)));
  for (const board of interest.boards) if (!BOARDS.includes(board)) boards.text(2, board);
  return new Writer().message(2, boards);
}

function writeClaim({ id, round, tile, answer }: ClientMessage & { readonly type: 'claim' }): Writer {
  const writer = new Writer().text(1, id).unsigned(2, round).unsigned(3, tile);
  return answer === undefined ? writer : writer.text(4, answer);
}

// --- What servers send -----------------------------------------------------------------

function readSubscribed(reader: Reader): ServerMessage {
  let [serverTimeMs, hunt, player, resumed] = [0, '', null as string | null, false];
  let [tick, resume, tickMs] = [0, '', 0];
  let interest: Interest = 'everything';
  let ownRank: BoardName | null = null;
  for (let field = reader.field(); field !== 0; field = reader.field()) {
    switch (field) {
      case 1: serverTimeMs = reader.unsigned(); break;
      case 2: hunt = reader.text(); break;
      case 3: player = reader.text(); break;
      case 4: resumed = reader.flag(); break;
      case 5: tick = reader.unsigned(); break;
      case 6: resume = position(reader); break;
      case 7: tickMs = reader.unsigned(); break;
      case 8: interest = readInterest(reader.message()); break;
      case 9: ownRank = BOARDS[reader.unsigned()] ?? null; break;
      case 10: ownRank = reader.text(); break;
      default: reader.skip();
    }
  }
  return { type: 'subscribed', serverTimeMs, hunt, player, resumed, tick, resume, tickMs, interest, ownRank };
}

function readInterest(reader: Reader): Interest {
  let interest: Interest | null = null;
  for (let field = reader.field(); field !== 0; field = reader.field()) {
    switch (field) {
      case 1: interest = { cells: readList<string>(reader.message(), (list, cells) => list.appendHexNumbers(cells)) }; break;
      case 2: interest = { boards: readBoardNames(reader.message()) }; break;
      default: reader.skip();
    }
  }
  // One that this version does not know is not to pass for everything.
  return interest ?? missing('interest');
}

function readBoardNames(reader: Reader): BoardName[] {
  const [numbers, names]: [number[], string[]] = [[], []];
  for (let field = reader.field(); field !== 0; field = reader.field()) {
    if (field === 1) reader.appendNumbers(numbers);
    else if (field === 2) names.push(reader.text());
    else reader.skip();
  }
  return [...numbers.map((board) => BOARDS[board]).filter((board) => board !== undefined), ...names];
}

/** A message that is nothing but a list in its field 1. */
function readList<Item>(reader: Reader, append: (reader: Reader, list: Item[]) => void): Item[] {
  const list: Item[] = [];
  for (let field = reader.field(); field !== 0; field = reader.field()) {
    if (field === 1) append(reader, list);
    else reader.skip();
  }
  return list;
}

function readRound(reader: Reader): ServerMessage {
  let [serverTimeMs, hunt] = [0, ''];
  const info = new RoundFields();
  for (let field = reader.field(); field !== 0; field = reader.field()) {
    if (field === 1) serverTimeMs = reader.unsigned();
    else if (field === 2) hunt = reader.text();
    else if (!info.read(field - 2, reader)) reader.skip();
  }
  return { type: 'round', serverTimeMs, hunt, ...info.finish() };
}

/** The fields that all messages about a round have, in the same order. */
class RoundFields {
  #round = 0;
  #configVersion = 0;
  #map: string | null = null;
  #commitment: string | null = null;
  #layout: string | null = null;
  #tiles = 0;
  #opensAtMs = 0;
  #closesAtMs = 0;

  /** False if it is none of them. */
  read(index: number, reader: Reader): boolean {
    switch (index) {
      case 1: this.#round = reader.unsigned(); return true;
      case 2: this.#configVersion = reader.unsigned(); return true;
      case 3: this.#map = hash(reader); return true;
      case 4: this.#commitment = hash(reader); return true;
      case 5: this.#layout = hash(reader); return true;
      case 6: this.#tiles = reader.unsigned(); return true;
      case 7: this.#opensAtMs = reader.unsigned(); return true;
      case 8: this.#closesAtMs = reader.unsigned(); return true;
      default: return false;
    }
  }

  finish(): RoundInfo {
    return {
      round: this.#round,
      configVersion: this.#configVersion,
      map: this.#map ?? missing('map'),
      commitment: this.#commitment ?? missing('commitment'),
      layout: this.#layout ?? missing('layout'),
      tiles: this.#tiles,
      opensAtMs: this.#opensAtMs,
      closesAtMs: this.#closesAtMs,
    };
  }
}

/** Claims travel as columns. An erased player is the empty text. */
class Columns {
  readonly tiles: number[] = [];
  readonly points: number[] = [];
  readonly players: string[] = [];
  /** Places in the columns. */
  readonly voided: number[] = [];

  claims(): TileClaim[] {
    this.#check();
    const voided = new Set(this.voided);
    return this.tiles.map((tile, index) => this.#claim(tile, index, voided));
  }

  /** Of several rounds, each counted from `oldest`. */
  roundClaims(rounds: readonly number[], oldest: number): RoundClaim[] {
    this.#check();
    sameLength('rounds', rounds, this.tiles);
    const voided = new Set(this.voided);
    return this.tiles.map((tile, index) => ({
      round: oldest + (rounds[index] as number),
      ...this.#claim(tile, index, voided),
    }));
  }

  #claim(tile: number, index: number, voided: ReadonlySet<number>): TileClaim {
    return { tile, player: this.players[index] || null, points: this.points[index] as number, voided: voided.has(index) };
  }

  #check(): void {
    sameLength('points', this.points, this.tiles);
    sameLength('players', this.players, this.tiles);
  }
}

function readDelta(reader: Reader): ServerMessage {
  let [serverTimeMs, tick, fromTick, resume, oldest] = [0, 0, null as number | null, '', 0];
  const [rounds, columns]: [number[], Columns] = [[], new Columns()];
  const [closed, seeds]: [number[], RevealedSeed[]] = [[], []];
  let state: HuntState | null = null;
  const corrections: Correction[] = [];
  let boards: BoardList | null = null;
  for (let field = reader.field(); field !== 0; field = reader.field()) {
    switch (field) {
      case 1: serverTimeMs = reader.unsigned(); break;
      case 2: tick = reader.unsigned(); break;
      case 3: fromTick = reader.unsigned(); break;
      case 4: resume = position(reader); break;
      case 5: oldest = reader.unsigned(); break;
      case 6: reader.appendNumbers(rounds); break;
      case 7: reader.appendNumbers(columns.tiles); break;
      case 8: reader.appendNumbers(columns.points); break;
      case 9: columns.players.push(reader.text()); break;
      case 10: reader.appendNumbers(closed); break;
      case 11: seeds.push(readSeed(reader.message())); break;
      case 12: state = STATES[reader.unsigned()] ?? null; break;
      case 13: corrections.push(readCorrection(reader.message())); break;
      case 14: boards = readBoardList(reader.message()); break;
      case 15: reader.appendNumbers(columns.voided); break;
      default: reader.skip();
    }
  }
  const claims = columns.roundClaims(rounds, oldest);
  return { type: 'delta', serverTimeMs, tick, fromTick, resume, oldest, claims, closed, seeds, state, corrections, boards };
}

function readCorrection(reader: Reader): Correction {
  let [kind, player, reason, correctedAtMs, seen] = ['', null as string | null, '', 0, ''];
  let [round, tile, points] = [null as number | null, null as number | null, null as number | null];
  for (let field = reader.field(); field !== 0; field = reader.field()) {
    switch (field) {
      case 1: {
        const number = reader.unsigned();
        kind = CORRECTIONS[number] ?? `unrecognised-${number}`;
        break;
      }
      case 2: round = reader.unsigned(); break;
      case 3: tile = reader.unsigned(); break;
      case 4: points = reader.unsigned(); break;
      case 5: player = reader.text() || null; break;
      case 6: reason = reader.text(); break;
      case 7: correctedAtMs = reader.unsigned(); break;
      case 8: seen = position(reader); break;
      default: reader.skip();
    }
  }
  return { kind, round, tile, points, player, reason, correctedAtMs, position: seen };
}

function readBoardList(reader: Reader): BoardList {
  let version = 0;
  const list: { board: BoardName; generation: number }[] = [];
  for (let field = reader.field(); field !== 0; field = reader.field()) {
    if (field === 1) version = reader.unsigned();
    else if (field === 2) list.push(readListedBoard(reader.message()));
    else reader.skip();
  }
  return { version, list };
}

function readListedBoard(reader: Reader): { board: BoardName; generation: number } {
  let [board, generation] = ['', 0];
  for (let field = reader.field(); field !== 0; field = reader.field()) {
    if (field === 1) board = reader.text();
    else if (field === 2) generation = reader.unsigned();
    else reader.skip();
  }
  return { board, generation };
}

function readSeed(reader: Reader): RevealedSeed {
  let [round, seed] = [0, null as string | null];
  for (let field = reader.field(); field !== 0; field = reader.field()) {
    if (field === 1) round = reader.unsigned();
    else if (field === 2) seed = hash(reader);
    else reader.skip();
  }
  return { round, seed: seed ?? missing('seed') };
}

function readSnapshot(reader: Reader): ServerMessage {
  let [serverTimeMs, tick, resume, hunt, oldest] = [0, 0, '', '', 0];
  let state: HuntState | null = null;
  const rounds: SnapshotRound[] = [];
  let board: Board | null = null;
  const corrections: Correction[] = [];
  let boards: BoardList | null = null;
  for (let field = reader.field(); field !== 0; field = reader.field()) {
    switch (field) {
      case 1: serverTimeMs = reader.unsigned(); break;
      case 2: tick = reader.unsigned(); break;
      case 3: resume = position(reader); break;
      case 4: hunt = reader.text(); break;
      case 5: state = STATES[reader.unsigned()] ?? null; break;
      case 6: oldest = reader.unsigned(); break;
      case 7: rounds.push(readSnapshotRound(reader.message())); break;
      case 8: board = readBoard(reader.message()).board; break;
      case 9: corrections.push(readCorrection(reader.message())); break;
      case 10: boards = readBoardList(reader.message()); break;
      default: reader.skip();
    }
  }
  return { type: 'snapshot', serverTimeMs, tick, resume, hunt, state, oldest, rounds, board, corrections, boards };
}

function readSnapshotRound(reader: Reader): SnapshotRound {
  const info = new RoundFields();
  const columns = new Columns();
  let [closed, seed] = [false, null as string | null];
  for (let field = reader.field(); field !== 0; field = reader.field()) {
    switch (field) {
      case 9: closed = reader.flag(); break;
      case 10: seed = hash(reader); break;
      case 11: reader.appendNumbers(columns.tiles); break;
      case 12: reader.appendNumbers(columns.points); break;
      case 13: columns.players.push(reader.text()); break;
      case 14: reader.appendNumbers(columns.voided); break;
      default: if (!info.read(field, reader)) reader.skip();
    }
  }
  return { ...info.finish(), closed, seed, claims: columns.claims() };
}

function readBoardMessage(reader: Reader): ServerMessage | null {
  const { serverTimeMs, board } = readBoard(reader);
  return board === null ? null : { type: 'board', serverTimeMs, ...board };
}

/** `board` is `null` for one that this version does not know. */
function readBoard(reader: Reader): { readonly serverTimeMs: number; readonly board: Board | null } {
  let [serverTimeMs, name, seen, players, generation] = [0, null as BoardName | null, '', 0, 0];
  let window: BoardWindow = { startMs: null, endMs: null, final: false };
  const entries: BoardEntry[] = [];
  for (let field = reader.field(); field !== 0; field = reader.field()) {
    switch (field) {
      case 1: serverTimeMs = reader.unsigned(); break;
      case 2: name = BOARDS[reader.unsigned()] ?? null; break;
      case 3: window = readWindow(reader.message()); break;
      case 4: seen = position(reader); break;
      case 5: players = reader.unsigned(); break;
      case 6: entries.push(readEntry(reader.message())); break;
      case 7: name = reader.text(); break;
      case 8: generation = reader.unsigned(); break;
      default: reader.skip();
    }
  }
  return { serverTimeMs, board: name === null ? null : { board: name, generation, window, position: seen, players, entries } };
}

function readWindow(reader: Reader): BoardWindow {
  let [startMs, endMs, final] = [null as number | null, null as number | null, false];
  for (let field = reader.field(); field !== 0; field = reader.field()) {
    if (field === 1) startMs = reader.unsigned();
    else if (field === 2) endMs = reader.unsigned();
    else if (field === 3) final = reader.flag();
    else reader.skip();
  }
  return { startMs, endMs, final };
}

function readEntry(reader: Reader): BoardEntry {
  let [rank, player, score] = [0, '', 0];
  for (let field = reader.field(); field !== 0; field = reader.field()) {
    if (field === 1) rank = reader.unsigned();
    else if (field === 2) player = reader.text();
    else if (field === 3) score = reader.signed();
    else reader.skip();
  }
  return { rank, player, score };
}

function readRank(reader: Reader): ServerMessage | null {
  let [serverTimeMs, board, player] = [0, null as BoardName | null, ''];
  let [rank, score, players, seen] = [null as number | null, null as number | null, 0, ''];
  for (let field = reader.field(); field !== 0; field = reader.field()) {
    switch (field) {
      case 1: serverTimeMs = reader.unsigned(); break;
      case 2: board = BOARDS[reader.unsigned()] ?? null; break;
      case 3: player = reader.text(); break;
      case 4: rank = reader.unsigned(); break;
      case 5: score = reader.signed(); break;
      case 6: players = reader.unsigned(); break;
      case 7: seen = position(reader); break;
      case 8: board = reader.text(); break;
      default: reader.skip();
    }
  }
  return board === null ? null : { type: 'rank', serverTimeMs, board, player, rank, score, players, position: seen };
}

function readOutcome(reader: Reader): ServerMessage {
  let [serverTimeMs, id, outcome, round, tile] = [0, '', '', 0, 0];
  let [points, won, winnerPosition] = [null as number | null, null as string | null, null as string | null];
  let [retryAfterMs, detail] = [null as number | null, null as string | null];
  for (let field = reader.field(); field !== 0; field = reader.field()) {
    switch (field) {
      case 1: serverTimeMs = reader.unsigned(); break;
      case 2: id = reader.text(); break;
      case 3: {
        const number = reader.unsigned();
        outcome = OUTCOMES[number] ?? `unrecognised-${number}`;
        break;
      }
      case 4: round = reader.unsigned(); break;
      case 5: tile = reader.unsigned(); break;
      case 6: won = readReceipt(reader.message()); break;
      case 7: points = reader.unsigned(); break;
      case 8: winnerPosition = position(reader); break;
      case 9: retryAfterMs = reader.unsigned(); break;
      case 10: detail = reader.text(); break;
      default: reader.skip();
    }
  }
  return {
    type: 'outcome', serverTimeMs, id, outcome, round, tile, points, position: won, winnerPosition, retryAfterMs, detail,
  };
}

function readReceipt(reader: Reader): string {
  let found = '';
  for (let field = reader.field(); field !== 0; field = reader.field()) {
    if (field === 1) found = position(reader);
    else reader.skip();
  }
  return found;
}

function readError(reader: Reader): ServerMessage {
  let [serverTimeMs, id, code, detail] = [0, null as string | null, '', ''];
  for (let field = reader.field(); field !== 0; field = reader.field()) {
    switch (field) {
      case 1: serverTimeMs = reader.unsigned(); break;
      case 2: id = reader.text(); break;
      case 3: code = reader.text(); break;
      case 4: detail = reader.text(); break;
      default: reader.skip();
    }
  }
  return { type: 'error', serverTimeMs, id, code, detail };
}

// --- Values that have another form in JSON ----------------------------------------------

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

function hash(reader: Reader): string {
  const bytes = reader.bytes();
  if (bytes.length !== 32) throw new MalformedError(`a hash of ${bytes.length} bytes`);
  let text = '';
  for (const byte of bytes) text += HEX[byte];
  return text;
}

function position(reader: Reader): string {
  const bytes = reader.bytes();
  let binary = '';
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}

function base64urlBytes(text: string): Uint8Array {
  const binary = atob(text.replaceAll('-', '+').replaceAll('_', '/'));
  return Uint8Array.from(binary, (character) => character.charCodeAt(0));
}

function sameLength(name: string, column: readonly unknown[], tiles: readonly unknown[]): void {
  if (column.length !== tiles.length) {
    throw new MalformedError(`a column of ${column.length} ${name} beside one of ${tiles.length} tiles`);
  }
}

function missing(name: string): never {
  throw new MalformedError(`no ${name}`);
}
