import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LiveState, type Delta, type HuntState, type LiveRound, type ServerMessage, type Snapshot } from '../../src/index.ts';
import { showsSameClaims } from '../../src/live/state.ts';
import { board, correction, delta, HASH, info, NOW_MS, opened, outcome, snapshot, subscribed } from './support.ts';

function fold(messages: readonly ServerMessage[], state = new LiveState()): LiveState {
  for (const message of messages) state.apply(message);
  return state;
}

function seen(state: LiveState): unknown {
  return {
    huntState: state.huntState,
    resume: state.resume,
    oldest: state.oldest,
    rounds: [...state.rounds]
      .sort(([left], [right]) => left - right)
      .map(([round, { info: about, closed, seed, claims }]) => [
        round, about, closed, seed, [...claims].sort(([left], [right]) => left - right),
      ]),
  };
}

const ADA = { player: 'ada', points: 5, voided: false };

describe('rounds and claims', () => {
  it('a claim is seen in its round', () => {
    const state = fold([opened(1), delta({ claims: [{ round: 1, tile: 3, ...ADA }] })]);
    expect(state.rounds.get(1)?.claims.get(3)).toEqual(ADA);
  });

  it('a round is another object once something in it has changed', () => {
    const state = fold([opened(1), opened(2)]);
    const [one, two] = [state.rounds.get(1), state.rounds.get(2)];
    state.apply(delta({ claims: [{ round: 1, tile: 3, ...ADA }] }));
    expect(state.rounds.get(1)).not.toBe(one);
    expect(state.rounds.get(2)).toBe(two);
  });

  it('a closed round stays until it is no longer shown, with its seed', () => {
    const state = fold([opened(1), opened(2), delta({ closed: [1], seeds: [{ round: 1, seed: HASH }] })]);
    expect(state.rounds.get(1)).toMatchObject({ closed: true, seed: HASH });
    expect(state.newestOpen()?.info.round).toBe(2);
    state.apply(delta({ oldest: 2 }));
    expect([...state.rounds.keys()]).toEqual([2]);
    state.apply(opened(1));
    expect([...state.rounds.keys()]).toEqual([2]);
  });

  it('a repeated announcement neither empties nor reopens a round', () => {
    const state = fold([opened(1), delta({ claims: [{ round: 1, tile: 3, ...ADA }], closed: [1] }), opened(1)]);
    expect(state.rounds.get(1)).toMatchObject({ closed: true });
    expect(state.rounds.get(1)?.claims.size).toBe(1);
    expect(state.newestOpen()).toBeNull();
  });

  it('an erased player leaves the claim', () => {
    const state = fold([
      opened(1),
      delta({ claims: [{ round: 1, tile: 3, ...ADA }] }),
      delta({ claims: [{ round: 1, tile: 3, player: null, points: 5, voided: false }] }),
    ]);
    expect(state.rounds.get(1)?.claims.get(3)).toEqual({ player: null, points: 5, voided: false });
  });

  it('outcomes and errors leave the state as it is', () => {
    const before = seen(fold([opened(1)]));
    const state = fold([opened(1), outcome('1.1', 'won', { points: 25 })]);
    state.apply({ type: 'error', serverTimeMs: NOW_MS, id: '1.1', code: 'malformed', detail: '' });
    expect(seen(state)).toEqual(before);
  });

  it('a snapshot replaces everything', () => {
    const round = { ...info(5), closed: false, seed: null, claims: [{ tile: 1, player: null, points: 5, voided: false }] };
    const closed = { ...info(4), closed: true, seed: HASH, claims: [] };
    const state = fold([opened(1), snapshot({ state: 'paused', oldest: 4, resume: 's7', rounds: [closed, round] })]);
    expect([...state.rounds.keys()]).toEqual([4, 5]);
    expect(state.rounds.get(4)).toMatchObject({ closed: true, seed: HASH });
    expect(state.rounds.get(5)?.claims.get(1)).toEqual({ player: null, points: 5, voided: false });
    expect(state).toMatchObject({ huntState: 'paused', resume: 's7', oldest: 4 });
  });

  it('nothing resumes from before a snapshot that has not come', () => {
    const state = fold([opened(1), delta({ resume: 'r7' })]);
    state.apply(subscribed({ resumed: true, resume: 'r7' }));
    expect(state.resume).toBe('r7');
    state.apply(subscribed({ resumed: false, resume: 'r8' }));
    expect(state.resume).toBeNull();
    state.apply(snapshot({ resume: 'r8' }));
    expect(state.resume).toBe('r8');
  });
});

describe('boards and the own rank', () => {
  const rank = { type: 'rank', serverTimeMs: NOW_MS, board: 'total', player: 'ada', rank: 3, score: 9, players: 20, position: 'pa' } as const;
  const told = (name: 'total' | 'best', score: number): ServerMessage => ({ type: 'board', serverTimeMs: NOW_MS, ...board(name, score) });

  it('the last version received counts', () => {
    const state = fold([told('total', 70), told('total', 60)]);
    expect(state.boards.get('total')?.entries[0]?.score).toBe(60);
  });

  it('a snapshot without a board takes none away', () => {
    const state = fold([told('total', 70), snapshot({})]);
    expect(state.boards.get('total')?.entries[0]?.score).toBe(70);
  });

  it('boards outside of the interest go', () => {
    const state = fold([told('total', 70), told('best', 9), subscribed({ interest: { boards: ['best'] }, resumed: true })]);
    expect([...state.boards.keys()]).toEqual(['best']);
  });

  it('the own rank stays over a reconnect, and goes with the player or the board', () => {
    const asked = subscribed({ player: 'ada', ownRank: 'total', resumed: true });
    const state = fold([asked, rank, asked]);
    expect(state.rank).toMatchObject({ rank: 3, score: 9, players: 20 });
    expect(fold([subscribed({ player: 'bob', ownRank: 'total' })], state).rank).toBeNull();
    expect(fold([asked, rank, subscribed({ player: 'ada', ownRank: 'best' })]).rank).toBeNull();
  });
});

describe('interests', () => {
  it.each([
    ['everything' as const, 'everything' as const, true],
    ['everything' as const, { cells: ['a'] }, false],
    [{ cells: ['a', 'b'] }, { cells: ['b', 'a', 'b'] }, true],
    [{ cells: ['a', 'b'] }, { cells: ['a'] }, false],
    [{ boards: ['total' as const] }, { boards: ['best' as const] }, true],
    [{ boards: ['total' as const] }, 'everything' as const, false],
    [{ boards: ['total' as const] }, { cells: ['a'] }, false],
  ])('%j and %j show the same claims: %j', (one, other, same) => {
    expect(showsSameClaims(one, other)).toBe(same);
    expect(showsSameClaims(other, one)).toBe(same);
  });
});

// --- Any way through the same history leads to the same state --------------------------

type Event =
  | { readonly kind: 'open' }
  | { readonly kind: 'claim'; readonly back: number; readonly tile: number; readonly player: string }
  | { readonly kind: 'close' }
  | { readonly kind: 'forget' }
  | { readonly kind: 'state'; readonly state: HuntState };

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
  { weight: 1, arbitrary: fc.constant({ kind: 'forget' } as const) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('state' as const),
      state: fc.constantFrom<HuntState>('running', 'paused'),
    }),
  },
);

interface Served {
  readonly claims: Map<number, { player: string; points: number; voided: boolean }>;
  closed: boolean;
  seed: string | null;
}

/** Plays events as a server would: the messages of each tick, and a snapshot after each. */
function serve(ticks: readonly (readonly Event[])[]): { frames: ServerMessage[][]; snapshots: Snapshot[] } {
  const rounds = new Map<number, Served>();
  let [last, oldest] = [0, 1];
  let huntState: HuntState = 'running';
  const frames: ServerMessage[][] = [];
  const snapshots: Snapshot[] = [];
  for (const [index, events] of ticks.entries()) {
    const messages: ServerMessage[] = [];
    const claims: Delta['claims'][number][] = [];
    const [closed, seeds]: [number[], Delta['seeds'][number][]] = [[], []];
    let changed: HuntState | null = null;
    for (const one of events) {
      if (one.kind === 'open') {
        last += 1;
        rounds.set(last, { claims: new Map(), closed: false, seed: null });
        messages.push(opened(last));
      } else if (one.kind === 'claim') {
        const round = rounds.get(last - one.back);
        if (round === undefined || round.closed || round.claims.has(one.tile)) continue;
        const claim = { player: one.player, points: one.tile, voided: false };
        round.claims.set(one.tile, claim);
        claims.push({ round: last - one.back, tile: one.tile, ...claim });
      } else if (one.kind === 'close') {
        const [number, round] = [...rounds].find(([, { closed: over }]) => !over) ?? [];
        if (number === undefined || round === undefined) continue;
        round.closed = true;
        round.seed = HASH;
        closed.push(number);
        seeds.push({ round: number, seed: HASH });
      } else if (one.kind === 'forget') {
        const [first] = rounds;
        if (first === undefined || !first[1].closed) continue;
        rounds.delete(first[0]);
        oldest = first[0] + 1;
      } else {
        huntState = one.state;
        changed = one.state;
      }
    }
    const shown = (round: number): boolean => round >= oldest;
    const [tick, resume] = [index + 1, `r${index + 1}`];
    messages.push(
      delta({
        tick, resume, oldest, state: changed,
        claims: claims.filter(({ round }) => shown(round)),
        closed: closed.filter(shown),
        seeds: seeds.filter(({ round }) => shown(round)),
      }),
    );
    frames.push(messages);
    snapshots.push(
      snapshot({
        tick, resume, oldest, state: huntState,
        rounds: [...rounds].map(([round, { claims: won, closed: over, seed }]) => ({
          ...info(round), closed: over, seed, claims: [...won].map(([tile, claim]) => ({ tile, ...claim })),
        })),
      }),
    );
  }
  return { frames, snapshots };
}

/** Several ticks in one delta, as a slow client gets them. */
function merge(frames: readonly (readonly ServerMessage[])[]): ServerMessage[] {
  const messages = frames.flat();
  const deltas = messages.filter((message) => message.type === 'delta');
  const final = deltas.at(-1);
  if (final === undefined) return [];
  return [
    ...messages.filter((message) => message.type === 'round' && message.round >= final.oldest),
    {
      ...final,
      fromTick: deltas[0]?.tick ?? null,
      claims: deltas.flatMap(({ claims }) => claims).filter(({ round }) => round >= final.oldest),
      closed: deltas.flatMap(({ closed }) => closed),
      seeds: deltas.flatMap(({ seeds }) => seeds),
      state: deltas.findLast(({ state }) => state !== null)?.state ?? null,
    },
  ];
}

type Step = 'follow' | 'twice' | 'merge' | 'lose-and-resume' | 'lose-and-snapshot';

describe('any way through a history', () => {
  it('leads to the state of the last snapshot', () => {
    fc.assert(
      fc.property(
        fc.array(fc.array(event, { maxLength: 6 }), { minLength: 1, maxLength: 24 }),
        fc.array(fc.constantFrom<Step>('follow', 'twice', 'merge', 'lose-and-resume', 'lose-and-snapshot'), {
          minLength: 1,
          maxLength: 24,
        }),
        fc.nat(5),
        (ticks, steps, stretch) => {
          const { frames, snapshots } = serve(ticks);
          const state = fold([snapshots[0] as Snapshot]);
          let at = 1;
          for (let index = 0; at < frames.length; index += 1) {
            const until = Math.min(frames.length, at + 1 + stretch);
            switch (steps[index % steps.length] as Step) {
              case 'follow':
                fold(frames[at] ?? [], state);
                at += 1;
                break;
              case 'twice':
                fold([...(frames[at] ?? []), ...(frames[at] ?? [])], state);
                at += 1;
                break;
              case 'merge':
                fold(merge(frames.slice(at, until)), state);
                at = until;
                break;
              case 'lose-and-resume': {
                // What came after the last `resume` was lost with the connection, in part or
                // wholly; the server sends everything from there.
                const from = Number(state.resume?.slice(1));
                fold((frames[at] ?? []).filter((message) => message.type !== 'delta'), state);
                state.apply(subscribed({ resumed: true }));
                fold(frames.slice(from, until).flat(), state);
                at = until;
                break;
              }
              case 'lose-and-snapshot':
                state.apply(subscribed({ resumed: false }));
                state.apply(snapshots[until - 1] as Snapshot);
                at = until;
                break;
            }
          }
          expect(seen(state)).toEqual(seen(fold([snapshots.at(-1) as Snapshot])));
          const newest = [...state.rounds.values()].filter(({ closed }) => !closed).at(-1);
          expect(state.newestOpen()).toBe(newest ?? (null as LiveRound | null));
        },
      ),
      { numRuns: 300 },
    );
  });
});

describe('boards and corrections', () => {
  const shown = (generation: number, score: number): ServerMessage => ({
    type: 'board', serverTimeMs: NOW_MS, ...board('friday', score), generation,
  });
  const list = (version: number, generation: number | null) => ({
    version, list: generation === null ? [] : [{ board: 'friday', generation }],
  });

  it('a board that is defined anew never shows what the one before it had', () => {
    const state = fold([snapshot({ boards: list(5, 5) }), shown(5, 10), shown(8, 1), shown(5, 11)]);
    expect(state.boards.get('friday')?.entries[0]?.score).toBe(1);
    state.apply(delta({ boards: list(8, 8) }));
    expect(state.boards.get('friday')?.generation).toBe(8);
    state.apply(delta({ boards: list(9, null) }));
    expect(state.boards.has('friday')).toBe(false);
    state.apply(shown(8, 12));
    expect(state.boards.has('friday')).toBe(false);
    state.apply(delta({ boards: list(8, 8) }));
    expect(state.listed?.version).toBe(9);
  });

  it('corrections are kept once each, in their order, and mark the claim that they void', () => {
    const voided = correction({ kind: 'claim-voided', round: 1, tile: 3, points: 5, position: 'p1', correctedAtMs: NOW_MS + 2 });
    const earlier = correction({ position: 'p2', correctedAtMs: NOW_MS + 1 });
    const state = fold([
      opened(1),
      delta({ claims: [{ round: 1, tile: 3, ...ADA }] }),
      delta({ corrections: [voided] }),
      delta({ corrections: [earlier, voided] }),
      delta({ claims: [{ round: 1, tile: 3, ...ADA }] }),
    ]);
    expect(state.corrections).toEqual([earlier, voided]);
    expect(state.rounds.get(1)?.claims.get(3)?.voided).toBe(true);
    state.apply(snapshot({ corrections: [earlier] }));
    expect(state.corrections).toEqual([earlier]);
  });
});
