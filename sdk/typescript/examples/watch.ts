import { HuntcoreClient, proto } from 'huntcore-client';
import { WebSocket } from 'ws';

const client = new HuntcoreClient(process.env['HUNTCORE_URL'] ?? 'http://127.0.0.1:7070');

// Protobuf in place of JSON, and only what a scoreboard shows.
const live = client.live('park', { form: proto, interest: { boards: ['total'] }, webSocket: WebSocket });

live.listen((event) => {
  if (event.type === 'status') console.log(`the connection is ${event.status.state}`);
  if (event.type === 'message' && event.message.type === 'board') {
    console.log(event.message.entries.slice(0, 3).map(({ player, score }) => `${player} ${score}`).join(', '));
  }
});
const { players } = await live.until((state) => state.boards.get('total'));
console.log(`${players} players on the board`);

// The viewport has moved: from now on claims as well, those in one H3 cell.
const { cells } = await client.cells('park', 1);
await live.subscribe({ interest: { cells: cells.slice(0, 1) } });
const { info } = await live.until((state) => state.newestOpen());
console.log(`round ${info.round} is open until ${new Date(info.closesAtMs).toISOString()}`);
live.close();
