/** Holds the hand-written protobuf against another implementation of the published definition. */
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import protobuf from 'protobufjs';
import { describe, expect, it } from 'vitest';
import {
  MalformedError,
  proto,
  type Board,
  type ClientMessage,
  type Correction,
  type Interest,
  type RoundInfo,
  type ServerMessage,
  type TileClaim,
} from '../../src/index.ts';

const definition = protobuf.loadSync(
  fileURLToPath(new URL('../../../../crates/wire/proto/huntcore/v1/huntcore.proto', import.meta.url)),
);
const ServerFrame = definition.lookupType('huntcore.v1.ServerMessage');
const ClientFrame = definition.lookupType('huntcore.v1.ClientMessage');

// --- A server's messages in the definition's own terms -----------------------------------

type Fields = Record<string, unknown>;

const BUILT_IN: readonly string[] = ['total', 'best', 'second'];

const bytes = (position: string): Uint8Array => Uint8Array.from(Buffer.from(position, 'base64url'));
const hash = (hex: string): Uint8Array => Buffer.from(hex, 'hex');
const enumerated = (prefix: string, name: string | null): string =>
  name === null ? `${prefix}_UNSPECIFIED` : `${prefix}_${name.toUpperCase().replaceAll('-', '_')}`;
/** An optional field is left out, and not `null`. */
const given = (fields: Fields): Fields => Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null));

function frame(message: ServerMessage): Uint8Array {
  const { type } = message;
  return ServerFrame.encode(ServerFrame.fromObject({ [type]: fieldsOf(message) })).finish();
}

function fieldsOf(message: ServerMessage): Fields {
  const serverTimeMs = message.serverTimeMs;
  switch (message.type) {
    case 'subscribed':
      return given({
        ...message, resume: bytes(message.resume), interest: interestFields(message.interest),
        ownRank: null, ...(message.ownRank === null ? {} : boardNamed(message.ownRank, 'ownRank', 'ownRankName')),
      });
    case 'round':
      return { ...roundFields(message), serverTimeMs, hunt: message.hunt };
    case 'delta':
      return given({
        ...message, resume: bytes(message.resume), ...columns(message.claims),
        claimRounds: message.claims.map(({ round }) => round - message.oldest),
        seeds: message.seeds.map(({ round, seed }) => ({ round, seed: hash(seed) })),
        state: enumerated('HUNT_STATE', message.state), corrections: message.corrections.map(correctionFields),
      });
    case 'snapshot':
      return given({
        ...message, resume: bytes(message.resume), state: enumerated('HUNT_STATE', message.state),
        rounds: message.rounds.map((round) =>
          given({
            ...roundFields(round), closed: round.closed, seed: round.seed === null ? null : hash(round.seed),
            ...columns(round.claims),
          }),
        ),
        board: message.board === null ? null : { ...boardFields(message.board), serverTimeMs },
        corrections: message.corrections.map(correctionFields),
      });
    case 'board':
      return { ...boardFields(message), serverTimeMs };
    case 'rank':
      return given({ ...message, board: null, ...boardNamed(message.board, 'board', 'boardName'), position: bytes(message.position) });
    case 'outcome':
      return given({
        ...message, outcome: enumerated('OUTCOME', message.outcome),
        receipt: message.position === null ? null : { position: bytes(message.position) },
        winnerPosition: message.winnerPosition === null ? null : bytes(message.winnerPosition),
      });
    case 'error':
      return given({ ...message });
  }
}

function roundFields(round: RoundInfo): Fields {
  return { ...round, map: hash(round.map), commitment: hash(round.commitment), layout: hash(round.layout) };
}

function correctionFields(correction: Correction): Fields {
  return given({ ...correction, kind: enumerated('CORRECTION', correction.kind), position: bytes(correction.position) });
}

function columns(claims: readonly TileClaim[]): Fields {
  return {
    claimVoided: claims.flatMap(({ voided }, index) => (voided ? [index] : [])),
    claimTiles: claims.map(({ tile }) => tile),
    claimPoints: claims.map(({ points }) => points),
    claimPlayers: claims.map(({ player }) => player ?? ''),
  };
}

function boardFields({ board, generation, window, position, players, entries }: Board): Fields {
  return {
    ...boardNamed(board, 'board', 'boardName'), generation, window: given({ ...window }), position: bytes(position), players, entries,
  };
}

/** Boards that every hunt has go by a number. */
function boardNamed(board: string, byNumber: string, byName: string): Fields {
  return BUILT_IN.includes(board) ? { [byNumber]: enumerated('BOARD', board) } : { [byName]: board };
}

function interestFields(interest: Interest): Fields | null {
  if (interest === 'everything') return null;
  if ('boards' in interest) {
    const boards = interest.boards.filter((board) => BUILT_IN.includes(board));
    const names = interest.boards.filter((board) => !BUILT_IN.includes(board));
    return { boards: { boards: boards.map((board) => enumerated('BOARD', board)), names } };
  }
  return { cells: { cells: interest.cells.map((cell) => BigInt(`0x${cell}`).toString()) } };
}

// --- Any message -------------------------------------------------------------------------

const count = fc.oneof(fc.nat(300), fc.maxSafeNat());
const u32 = fc.nat(2 ** 32 - 1);
const player = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 16 });
const hex32 = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((value) => Buffer.from(value).toString('hex'));
const position = fc.uint8Array({ minLength: 1, maxLength: 24 }).map((value) => Buffer.from(value).toString('base64url'));
const boardName = fc.constantFrom('total', 'best', 'second', 'friday', 'each-hour');
const state = fc.constantFrom('scheduled' as const, 'running' as const, 'paused' as const, 'ended' as const, 'closed' as const);
const orNull = <Value>(value: fc.Arbitrary<Value>): fc.Arbitrary<Value | null> => fc.option(value, { nil: null });
const cell = fc.bigInt({ min: 1n, max: 2n ** 64n - 1n }).map((value) => value.toString(16));
const interest: fc.Arbitrary<Interest> = fc.oneof(
  fc.constant('everything' as const),
  fc.record({ cells: fc.array(cell, { minLength: 1, maxLength: 8 }) }),
  // Numbers come ahead of names.
  fc.uniqueArray(boardName, { minLength: 1 }).map((boards) => ({
    boards: [...boards.filter((one) => BUILT_IN.includes(one)), ...boards.filter((one) => !BUILT_IN.includes(one))],
  })),
);
const roundInfo = {
  round: count, configVersion: u32, map: hex32, commitment: hex32, layout: hex32, tiles: u32, opensAtMs: count, closesAtMs: count,
};
const won = { tile: u32, player: orNull(player), points: u32, voided: fc.boolean() };
const corrections = fc.array(
  fc.record({
    kind: fc.constantFrom('claim-voided', 'disqualified', 'reinstated'), round: orNull(count), tile: orNull(u32),
    points: orNull(u32), player: orNull(player), reason: player, correctedAtMs: count, position,
  }),
  { maxLength: 3 },
);
const boards = orNull(
  fc.record({ version: count, list: fc.array(fc.record({ board: boardName, generation: count }), { maxLength: 4 }) }),
);
const score = fc.maxSafeInteger();
const board: fc.Arbitrary<Board> = fc.record({
  board: boardName,
  generation: count,
  window: fc.record({ startMs: orNull(count), endMs: orNull(count), final: fc.boolean() }),
  position,
  players: count,
  entries: fc.array(fc.record({ rank: count, player, score })),
});
const told = { serverTimeMs: count };
const outcomeName = fc.constantFrom(
  'won', 'taken', 'expired', 'not-yet-open', 'unknown-tile', 'unknown-hunt', 'hunt-paused', 'rate-limited', 'overloaded',
  'storage-full', 'outcome-unknown', 'invalid',
);
const serverMessage: fc.Arbitrary<ServerMessage> = fc.oneof(
  fc.record({
    type: fc.constant('subscribed' as const), ...told, hunt: player, player: orNull(player), resumed: fc.boolean(), tick: count,
    resume: position, tickMs: count, interest, ownRank: orNull(boardName),
  }),
  fc.record({ type: fc.constant('round' as const), ...told, hunt: player, ...roundInfo }),
  fc.record({
    type: fc.constant('delta' as const), ...told, tick: count, fromTick: orNull(count), resume: position,
    oldest: fc.nat(100_000), claims: fc.array(fc.record({ round: fc.nat(300), ...won })), closed: fc.array(count),
    seeds: fc.array(fc.record({ round: count, seed: hex32 })), state: orNull(state), corrections, boards,
  }).map((delta) => ({ ...delta, claims: delta.claims.map((one) => ({ ...one, round: delta.oldest + one.round })) })),
  fc.record({
    type: fc.constant('snapshot' as const), ...told, tick: count, resume: position, hunt: player, state, oldest: count,
    rounds: fc.array(fc.record({ ...roundInfo, closed: fc.boolean(), seed: orNull(hex32), claims: fc.array(fc.record(won)) }), { maxLength: 3 }),
    board: orNull(board), corrections, boards,
  }),
  fc.tuple(board, count).map(([one, serverTimeMs]) => ({ type: 'board' as const, serverTimeMs, ...one })),
  fc.record({
    type: fc.constant('rank' as const), ...told, board: boardName, player, rank: orNull(count), score: orNull(score),
    players: count, position,
  }),
  fc.record({
    type: fc.constant('outcome' as const), ...told, id: player, outcome: outcomeName, round: count, tile: u32,
    points: orNull(u32), position: orNull(position), winnerPosition: orNull(position), retryAfterMs: orNull(count),
    detail: orNull(player),
  }),
  fc.record({ type: fc.constant('error' as const), ...told, id: orNull(player), code: player, detail: player }),
);
const clientMessage: fc.Arbitrary<ClientMessage> = fc.oneof(
  fc.record(
    { type: fc.constant('subscribe' as const), resume: position, interest, ownRank: boardName },
    { requiredKeys: ['type'] },
  ),
  fc.record(
    { type: fc.constant('claim' as const), id: player, round: count, tile: u32, answer: player },
    { requiredKeys: ['type', 'id', 'round', 'tile'] },
  ),
);

describe('protobuf from a server', () => {
  it('is read as any other implementation writes it', () => {
    fc.assert(
      fc.property(serverMessage, (message) => {
        expect(proto.decode(frame(message))).toEqual(message);
      }),
      { numRuns: 500 },
    );
  });

  it('never fails but as malformed, wherever it breaks off and whatever is changed in it', () => {
    fc.assert(
      fc.property(serverMessage, fc.nat(), fc.nat(255), (message, at, byte) => {
        const whole = frame(message);
        const changed = Uint8Array.from(whole);
        changed[at % whole.length] = byte;
        for (const bad of [whole.subarray(0, at % whole.length), changed]) {
          try {
            proto.decode(bad);
          } catch (error) {
            expect(error).toBeInstanceOf(MalformedError);
          }
        }
      }),
      { numRuns: 500 },
    );
  });

  it('may say more than this version knows', () => {
    const error = { type: 'error', serverTimeMs: 1, id: null, code: 'a', detail: 'b' } as const;
    const body = frame(error).subarray(2);
    // Fields 100 of every wire type, in front.
    const newer = Uint8Array.of(0xa0, 6, 0x96, 1, 0xa1, 6, 1, 2, 3, 4, 5, 6, 7, 8, 0xa2, 6, 2, 1, 2, 0xa5, 6, 1, 2, 3, 4);
    expect(proto.decode(Uint8Array.of(0x42, newer.length + body.length, ...newer, ...body))).toEqual(error);
    expect(proto.decode(Uint8Array.of(0x7a, 1, 0))).toBeNull();
    const made = (fields: Fields): Uint8Array => ServerFrame.encode(ServerFrame.fromObject(fields)).finish();
    expect(proto.decode(made({ delta: { state: 77 } }))).toMatchObject({ state: null });
    expect(proto.decode(made({ board: { board: 77 } }))).toBeNull();
    expect(proto.decode(made({ outcome: { outcome: 77 } }))).toMatchObject({ outcome: 'unrecognised-77' });
  });

  it.each([
    ['nothing', []],
    ['two messages', [0x42, 0, 0x42, 0]],
    ['a message that is a number', [0x40, 1]],
    ['a field of number 0', [0x02, 0]],
    ['a group', [0x42, 1, 0x0b]],
    ['a number that breaks off', [0x42, 2, 0x08, 0x80]],
    ['a number of eleven bytes', [0x42, 12, 0x08, ...Array.from({ length: 10 }, () => 0x80), 1]],
    ['a number of 65 bits', [0x42, 11, 0x08, ...Array.from({ length: 9 }, () => 0x80), 2]],
    ['a number beyond 2^53 - 1', [0x42, 9, 0x08, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10]],
    ['a length beyond the end', [0x42, 5, 0x1a, 1]],
    ['text that is not UTF-8', [0x42, 3, 0x1a, 1, 0xff]],
    ['a round without hashes', [0x12, 0]],
    ['a hash of two bytes', [0x12, 4, 0x2a, 2, 1, 2]],
    ['an interest that it does not know', [0x0a, 2, 0x42, 0]],
    ['columns of different lengths', [0x1a, 3, 0x3a, 1, 5]],
  ])('is refused if it is %s', (_, frameBytes) => {
    expect(() => proto.decode(Uint8Array.from(frameBytes))).toThrow(MalformedError);
  });

  it('is refused as text', () => {
    expect(() => proto.decode('{}')).toThrow(MalformedError);
  });
});

describe('protobuf to a server', () => {
  it('is read by any other implementation', () => {
    fc.assert(
      fc.property(clientMessage, (message) => {
        const written = proto.encode(message) as Uint8Array;
        expect(clientFields(written)).toEqual(clientFields(ClientFrame.encode(ClientFrame.fromObject(expected(message))).finish()));
      }),
      { numRuns: 300 },
    );
  });

  it('is no cell that is no number in hex', () => {
    expect(() => proto.encode({ type: 'subscribe', interest: { cells: ['8A1958'] } })).toThrow(RangeError);
  });
});

function clientFields(written: Uint8Array): Fields {
  return ClientFrame.toObject(ClientFrame.decode(written), { longs: String, enums: String, bytes: String });
}

function expected(message: ClientMessage): Fields {
  if (message.type === 'claim') return { claim: message };
  const { resume, interest: asked, ownRank } = message;
  return {
    subscribe: {
      ...(resume === undefined ? {} : { resume: bytes(resume) }),
      ...(asked === undefined || asked === 'everything' ? {} : { interest: interestFields(asked) }),
      ...(ownRank === undefined ? {} : boardNamed(ownRank, 'ownRank', 'ownRankName')),
    },
  };
}
