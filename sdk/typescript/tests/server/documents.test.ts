/** What the server publishes about its socket is true of what it sends. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Ajv, type ValidateFunction } from 'ajv';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { Site } from './site.ts';

const repository = (path: string): string =>
  readFileSync(fileURLToPath(new URL(`../../../../${path}`, import.meta.url)), 'utf8');

let site: Site;
beforeAll(async () => {
  site = await Site.make();
});
afterAll(() => site.remove());

it('the definition of the protobuf that the tests go by is the one that is served', async () => {
  const served = await (await fetch(`${site.url}/huntcore.v1.proto`)).text();
  expect(served).toBe(repository('crates/wire/proto/huntcore/v1/huntcore.proto'));
});

describe('the AsyncAPI document', () => {
  it('is served as it stands in the repository', async () => {
    const served: unknown = await (await fetch(`${site.url}/asyncapi.json`)).json();
    expect(served).toEqual(JSON.parse(repository('docs/asyncapi/huntcore.v1.json')));
  });

  it('has a schema that every message fits, both ways', async () => {
    const document = JSON.parse(repository('docs/asyncapi/huntcore.v1.json')) as { components: { messages: object } };
    // OpenAPI's formats are words for people; what they mean is checked by who reads them.
    const ajv = new Ajv({ strict: false, validateFormats: false, allErrors: true });
    ajv.addSchema(document, 'document');
    const validators = new Map<string, ValidateFunction>();
    for (const name of Object.keys(document.components.messages)) {
      validators.set(name, ajv.compile({ $ref: `document#/components/messages/${name}/payload` }));
    }
    const faults: unknown[] = [];
    const types = new Set<string>();
    const check = (frame: string): void => {
      const message = JSON.parse(frame) as { type: string };
      types.add(message.type);
      const validate = validators.get(message.type);
      if (validate?.(message) !== true) faults.push({ message, errors: validate?.errors });
    };
    class Checked extends WebSocket {
      constructor(url: string, protocols: string[]) {
        super(url, protocols);
        this.on('message', (data) => check(String(data)));
      }

      override send(data: string): void {
        check(data);
        super.send(data);
      }
    }
    const { live } = await site.join('ada', { ownRank: 'total', webSocket: Checked });
    const { info } = await live.until((state) => state.newestOpen());
    expect(await live.claim(info.round, 1)).toMatchObject({ outcome: 'won' });
    expect(await live.claim(info.round, 64)).toMatchObject({ outcome: 'unknown-tile' });
    const { live: rival } = await site.join('bob', { webSocket: Checked });
    expect(await rival.claim(info.round, 1)).toMatchObject({ outcome: 'taken' });
    await live.until(({ rank }) => rank?.rank === 1);
    await live.until((state) => state.rounds.get(info.round)?.seed);
    await live.subscribe({ interest: { boards: ['best', 'total'] } });
    await expect(live.subscribe({ interest: { cells: ['8fffffffffffffff'] } })).rejects.toMatchObject({ code: 'unknown-cell' });
    expect(faults).toEqual([]);
    expect([...types].sort()).toEqual([
      'board', 'claim', 'delta', 'error', 'outcome', 'rank', 'round', 'snapshot', 'subscribe', 'subscribed',
    ]);
  });
});
