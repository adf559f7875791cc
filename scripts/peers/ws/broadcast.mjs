// The peer `ws` of `huntcore bench broadcast`: prints the port it listens on, then sends every
// line of its standard input to every client, and ends when that ends.
import { createInterface } from 'node:readline';

import { WebSocketServer } from 'ws';

const server = new WebSocketServer({
  host: '127.0.0.1',
  port: 0,
  backlog: 4_096,
  perMessageDeflate: false,
});
server.on('listening', () => console.log(server.address().port));

const lines = createInterface({ input: process.stdin });
lines.on('line', (line) => {
  // Once to bytes, not once for each client.
  const data = Buffer.from(line);
  for (const client of server.clients) {
    client.send(data, { binary: false });
  }
});
lines.on('close', () => process.exit(0));
