/** The AsyncAPI document of the socket is one, by the specification's own schema. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { Ajv } from 'ajv';
import { expect, it } from 'vitest';
import { json, proto } from '../../src/index.ts';

const read = (path: string): unknown => JSON.parse(readFileSync(path, 'utf8'));
const document = read(fileURLToPath(new URL('../../../../docs/asyncapi/huntcore.v1.json', import.meta.url))) as {
  channels: Record<string, { description: string }>;
};

it('the document is AsyncAPI 3', () => {
  const schema = read(createRequire(import.meta.url).resolve('@asyncapi/specs/schemas/3.0.0-without-$id.json')) as object;
  const validate = new Ajv({ strict: false, validateFormats: false, allErrors: true }).compile(schema);
  expect(validate(document) ? [] : validate.errors).toEqual([]);
});

it('the document has a channel for each form', () => {
  const channels = Object.values(document.channels).map(({ description }) => description);
  for (const { protocol } of [json, proto]) {
    expect(channels.filter((description) => description.includes(`\`${protocol}\``))).toHaveLength(1);
  }
});
