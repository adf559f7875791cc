import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  announce,
  dropRoundsClosedBefore,
  NOTHING_KNOWN,
  reduce,
  type LiveState,
} from '../../src/lib/live/state';
import type { Board, Delta, RoundInfo, ServerMessage, Snapshot } from '../../src/lib/protocol/messages';

const HASH = 'ab'.repeat(32);

function info(round: number): RoundInfo {
  return {
    round,
    configVersion: 1,
    map: `map-${round}`,
    commitment: HASH,
    layout: HASH,
    tiles: 16,
    opensAtMs: round * 1_000,
    closesAtMs: round * 1_000 + 10_000,
  };
}

function delta(part: Partial<Delta>): Delta {
  return { type: 'delta', tick: 1, resume: 'r1', oldest: 0, claims: [], closed: [], seeds: [], state: null, ...part };
}

function board(revision: number, score: number): Board {
  return {
    board: 'total',
    window: { startMs: null, endMs: null, final: false },
    position: '',
    revision,
    players: 1,
    entries: [{ rank: 1, player: 'ada', score }],
  };
}

function fold(messages: readonly ServerMessage[], from: LiveState = NOTHING_KNOWN): LiveState {
  return messages.reduce(reduce, from);
}

/** What a player sees; ticks and the like are each connection's own. */
function seen(state: LiveState): unknown {
  return {
    huntState: state.huntState,
    rounds: [...state.rounds]
      .sort(([left], [right]) => left - right)
      .map(([round, open]) => [round, open.info, [...open.claims].sort(([left], [right]) => left - right)]),
    resume: state.resume,
  };
}

describe('rounds and claims', () => {
  it('a claim is seen in its round', () => {
    const state = fold([
      { type: 'round', ...info(1) },
      delta({ claims: [{ round: 1, tile: 3, player: 'ada', points: 5 }] }),
    ]);
    expect(state.rounds.get(1)?.claims.get(3)).toEqual({ player: 'ada', points: 5 });
  });

  it('claims before the announcement are kept for it', () => {
    const early = fold([delta({ claims: [{ round: 1, tile: 3, player: 'ada', points: 5 }] })]);
    expect([...early.unannounced.keys()]).toEqual([1]);
    const state = announce(early, info(1));
    expect(state.rounds.get(1)?.claims.get(3)?.player).toBe('ada');
    expect(state.unannounced.size).toBe(0);
  });

  it('a closed round is gone, and does not come back', () => {
    const closed = fold([{ type: 'round', ...info(1) }, delta({ closed: [1] })]);
    expect(closed.rounds.size).toBe(0);
    const again = fold(
      [{ type: 'round', ...info(1) }, delta({ claims: [{ round: 1, tile: 3, player: 'ada', points: 5 }] })],
      closed,
    );
    expect(again.rounds.size).toBe(0);
    expect(again.unannounced.size).toBe(0);
  });

  it('rounds before the oldest one shown are gone', () => {
    const state = fold([{ type: 'round', ...info(1) }, { type: 'round', ...info(2) }, delta({ oldest: 2 })]);
    expect([...state.rounds.keys()]).toEqual([2]);
  });

  it('a round whose time ran out goes without a message', () => {
    const state = dropRoundsClosedBefore(fold([{ type: 'round', ...info(1) }, { type: 'round', ...info(9) }]), 12_000);
    expect([...state.rounds.keys()]).toEqual([9]);
  });

  it('an outcome shows at once, and the delta adds the name', () => {
    const open = fold([
      { type: 'subscribed', hunt: 'park', player: 'me', resumed: true, tick: 0, resume: 'r0', tickMs: 100 },
      { type: 'round', ...info(1) },
    ]);
    const outcome = { type: 'outcome', id: '', round: 1, position: null, retryAfterMs: null, detail: null } as const;
    const state = fold(
      [
        { ...outcome, outcome: 'won', tile: 1, points: 25 },
        { ...outcome, outcome: 'taken', tile: 2, points: null },
        { ...outcome, outcome: 'rate-limited', tile: 3, points: null },
      ],
      open,
    );
    expect(state.rounds.get(1)?.claims.get(1)).toEqual({ player: 'me', points: 25 });
    expect(state.rounds.get(1)?.claims.get(2)?.player).toBeNull();
    expect(state.rounds.get(1)?.claims.has(3)).toBe(false);
    const named = fold([delta({ claims: [{ round: 1, tile: 2, player: 'bob', points: 1 }] })], state);
    expect(named.rounds.get(1)?.claims.get(2)).toEqual({ player: 'bob', points: 1 });
  });

  it('a snapshot replaces everything, and its closed rounds are not open', () => {
    const snapshot: Snapshot = {
      type: 'snapshot',
      tick: 7,
      resume: 's7',
      state: 'paused',
      rounds: [
        { ...info(4), closed: true, seed: HASH, claims: [] },
        { ...info(5), closed: false, seed: null, claims: [{ tile: 1, player: null, points: 5 }] },
      ],
      boards: [],
    };
    const state = fold([{ type: 'round', ...info(1) }, snapshot]);
    expect([...state.rounds.keys()]).toEqual([5]);
    expect(state.rounds.get(5)?.claims.has(1)).toBe(true);
    expect(state.closed.has(4)).toBe(true);
    expect(state.huntState).toBe('paused');
    expect(state.resume).toBe('s7');
  });
});

describe('boards', () => {
  it('an older revision changes nothing', () => {
    const state = fold([
      { type: 'board', board: board(7, 70) },
      { type: 'board', board: board(6, 60) },
    ]);
    expect(state.boards.get('total')?.entries[0]?.score).toBe(70);
  });

  it('a snapshot without a board takes none away, and any board is newer than it', () => {
    const snapshot: Snapshot = { type: 'snapshot', tick: 1, resume: 's', state: 'running', rounds: [], boards: [] };
    const after = fold([{ type: 'board', board: board(7, 70) }, snapshot]);
    expect(after.boards.get('total')?.entries[0]?.score).toBe(70);
    const next = fold([{ type: 'board', board: board(1, 10) }], after);
    expect(next.boards.get('total')?.entries[0]?.score).toBe(10);
  });
});

// --- Any way through the same history leads to the same state --------------------------

type Event =
  | { readonly kind: 'open' }
  | { readonly kind: 'claim'; readonly back: number; readonly tile: number; readonly player: string }
  | { readonly kind: 'close' }
  | { readonly kind: 'state'; readonly state: 'running' | 'paused' };

const event: fc.Arbitrary<Event> = fc.oneof(
  { weight: 2, arbitrary: fc.constant({ kind: 'open' } as const) },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('claim' as const),
      back: fc.nat(3),
      tile: fc.nat(15),
      player: fc.constantFrom('ada', 'bob', 'cleo'),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ kind: 'close' } as const) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('state' as const), state: fc.constantFrom('running' as const, 'paused' as const) }) },
);

/** Plays events as a server would: one list of messages per tick, and a snapshot after each. */
function serve(ticks: readonly (readonly Event[])[]): { frames: ServerMessage[][]; snapshots: Snapshot[] } {
  const open = new Map<number, Map<number, { player: string; points: number }>>();
  let last = 0;
  let huntState: 'running' | 'paused' = 'running';
  const frames: ServerMessage[][] = [];
  const snapshots: Snapshot[] = [];
  for (const [index, events] of ticks.entries()) {
    const messages: ServerMessage[] = [];
    const claims: Delta['claims'][number][] = [];
    const closed: number[] = [];
    let changed: 'running' | 'paused' | null = null;
    for (const one of events) {
      if (one.kind === 'open') {
        last += 1;
        open.set(last, new Map());
        messages.push({ type: 'round', ...info(last) });
      } else if (one.kind === 'claim') {
        const round = open.get(last - one.back);
        if (round === undefined || round.has(one.tile)) continue;
        const claim = { player: one.player, points: one.tile };
        round.set(one.tile, claim);
        claims.push({ round: last - one.back, tile: one.tile, ...claim });
      } else if (one.kind === 'close') {
        const [oldest] = open.keys();
        if (oldest === undefined) continue;
        open.delete(oldest);
        closed.push(oldest);
      } else {
        huntState = one.state;
        changed = one.state;
      }
    }
    const resume = `r${index + 1}`;
    messages.push(delta({ tick: index + 1, resume, claims, closed, state: changed }));
    frames.push(messages);
    snapshots.push({
      type: 'snapshot',
      tick: index + 1,
      resume,
      state: huntState,
      rounds: [...open].map(([round, known]) => ({
        ...info(round),
        closed: false,
        seed: null,
        claims: [...known].map(([tile, claim]) => ({ tile, ...claim })),
      })),
      boards: [],
    });
  }
  return { frames, snapshots };
}

/** Several ticks in one delta, as a slow client gets them. */
function conflate(frames: readonly (readonly ServerMessage[])[]): ServerMessage[] {
  const messages = frames.flat();
  const deltas = messages.filter((message) => message.type === 'delta');
  const [final] = deltas.slice(-1);
  if (final === undefined) return [];
  return [
    ...messages.filter((message) => message.type === 'round'),
    {
      ...final,
      claims: deltas.flatMap(({ claims }) => claims),
      closed: deltas.flatMap(({ closed }) => closed),
      state: deltas.findLast(({ state }) => state !== null)?.state ?? null,
    },
  ];
}

type Step = 'follow' | 'twice' | 'conflate' | 'lose-and-resume' | 'lose-and-snapshot';

describe('any way through a history', () => {
  it('leads to the state of the last snapshot', () => {
    fc.assert(
      fc.property(
        fc.array(fc.array(event, { maxLength: 6 }), { minLength: 1, maxLength: 24 }),
        fc.array(fc.constantFrom<Step>('follow', 'twice', 'conflate', 'lose-and-resume', 'lose-and-snapshot'), {
          minLength: 1,
          maxLength: 24,
        }),
        fc.nat(5),
        (ticks, steps, stretch) => {
          const { frames, snapshots } = serve(ticks);
          let state = fold([{ ...(snapshots[0] as Snapshot) }]);
          let at = 1;
          for (let index = 0; at < frames.length; index += 1) {
            const step = steps[index % steps.length] as Step;
            const until = Math.min(frames.length, at + 1 + stretch);
            switch (step) {
              case 'follow':
                state = fold(frames[at] ?? [], state);
                at += 1;
                break;
              case 'twice':
                state = fold([...(frames[at] ?? []), ...(frames[at] ?? [])], state);
                at += 1;
                break;
              case 'conflate':
                state = fold(conflate(frames.slice(at, until)), state);
                at = until;
                break;
              case 'lose-and-resume': {
                // What came after the last `resume` was lost with the connection, in part or
                // wholly; the server sends everything from there.
                const from = Number(state.resume?.slice(1));
                const lost = (frames[at] ?? []).filter((message) => message.type !== 'delta');
                state = fold(lost, state);
                state = reduce(state, {
                  type: 'subscribed', hunt: 'park', player: null, resumed: true, tick: 0, resume: state.resume, tickMs: 100,
                });
                state = fold(frames.slice(from, until).flat(), state);
                at = until;
                break;
              }
              case 'lose-and-snapshot':
                state = reduce(state, {
                  type: 'subscribed', hunt: 'park', player: null, resumed: false, tick: 0, resume: 'x', tickMs: 100,
                });
                state = fold([snapshots[until - 1] as Snapshot], state);
                at = until;
                break;
            }
          }
          const truth = fold([snapshots.at(-1) as Snapshot]);
          expect(seen(state)).toEqual(seen(truth));
        },
      ),
      { numRuns: 300 },
    );
  });
});
