import { HuntcoreClient } from 'huntcore-client';
import { WebSocket } from 'ws'; // Node before 22 has none of its own; browsers and later Nodes need no option

const client = new HuntcoreClient(process.env['HUNTCORE_URL'] ?? 'http://127.0.0.1:7070');
const { player, token } = await client.joinAsGuest('park', 'ada');
const live = client.live('park', { token, ownRank: 'total', webSocket: WebSocket });

// The newest open round, and a tile in it that nobody holds.
const { info, claims } = await live.until((state) => state.newestOpen());
const tile = Array.from({ length: info.tiles }, (_, index) => index).find((index) => !claims.has(index)) ?? 0;

// One answer, whatever happens to the connection meanwhile: `won`, `taken`, `expired`, …
const { outcome, points } = await live.claim(info.round, tile);
console.log(`${player}: tile ${tile} of round ${info.round}: ${outcome}, ${points ?? 0} points`);

if (outcome === 'won') {
  const own = await live.until(({ rank }) => rank?.rank != null && rank);
  console.log(`rank ${own.rank} of ${own.players} with ${own.score} points`);
}
live.close();
