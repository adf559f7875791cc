/** `npm run mock -- --port 7070 --claims-per-second 420 --first-round 1` */
import { parseArgs } from 'node:util';
import { MockServer } from './server.mjs';

const { values } = parseArgs({
  options: {
    port: { type: 'string', default: '7070' },
    tiles: { type: 'string', default: '1024' },
    'round-ms': { type: 'string', default: '1000' },
    'claim-window-ms': { type: 'string', default: '10000' },
    'claims-per-second': { type: 'string', default: '420' },
    'first-round': { type: 'string', default: '1' },
    'values-hidden': { type: 'boolean', default: false },
    'no-guests': { type: 'boolean', default: false },
  },
});
const server = new MockServer({
  tiles: Number(values.tiles),
  roundMs: Number(values['round-ms']),
  claimWindowMs: Number(values['claim-window-ms']),
  claimsPerSecond: Number(values['claims-per-second']),
  firstRound: Number(values['first-round']),
  valuesHidden: values['values-hidden'],
  guests: !values['no-guests'],
});
console.log(`mock of huntcore at ${await server.listen(Number(values.port))}`);
