/**
 * A stand-in for the huntcore server, for developing the console and testing it alone.
 *
 * Speaks the HTTP and WebSocket contract over a `Game`, serves the built console from
 * `dist`, and can fake a restart: `POST /mock/restart?for_ms=` cuts every socket with 1001
 * and refuses connections for a while. Other `/mock/…` routes make further faults.
 */
import { createHmac, randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { WebSocketServer } from 'ws';
import { Game, iso } from './game.mjs';

const DIST = fileURLToPath(new URL('../../dist/', import.meta.url));
const TICK_MS = 100;
export const SERVICE_KEY = 'the-mock-service-key';
const FLAGS = [
  { flag: 'boards.refresh', board: 'tens', value: 'rebuild', by: 'api', reason: 'a canary on one board', set_at: '2026-11-22T10:00:00.000Z' },
  { flag: 'boards.shadow', hunt: 'park', board: 'tens', value: true, by: 'file', reason: 'comparing', set_at: '2026-11-22T10:00:00.000Z' },
];
const BOARD_EVERY_TICKS = 3;
const RANK_EVERY_TICKS = 10;
const TYPES = {
  '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml',
  '.woff2': 'font/woff2', '.json': 'application/json',
};

export class MockServer {
  constructor(options = {}) {
    this.game = new Game(options);
    this.guests = options.guests ?? true;
    this.key = randomBytes(32);
    this.sockets = new Set();
    this.startedAt = Date.now();
    this.ticks = 0;
  }

  /** Resolves to the URL it answers at. */
  async listen(port = 0) {
    this.http = createServer((request, response) => {
      this.#answer(request, response).catch((error) => {
        response.writeHead(500).end(String(error));
      });
    });
    this.upgrades = new WebSocketServer({ noServer: true, handleProtocols: () => 'huntcore.v1.json' });
    this.http.on('upgrade', (request, socket, head) => this.#upgrade(request, socket, head));
    await new Promise((resolve, reject) => {
      this.http.once('error', reject);
      this.http.listen(port, '127.0.0.1', resolve);
    });
    this.port = this.http.address().port;
    this.timer ??= setInterval(() => this.#tick(), TICK_MS);
    return `http://127.0.0.1:${this.port}`;
  }

  async stopListening(code = 1001) {
    for (const socket of this.sockets) socket.close(code);
    this.sockets.clear();
    const closed = new Promise((resolve) => this.http.close(resolve));
    this.http.closeAllConnections();
    await closed;
  }

  /** The hunt goes on meanwhile, as another process's would. */
  async restart(downMs) {
    const { port } = this;
    await this.stopListening();
    setTimeout(() => this.listen(port), downMs);
  }

  async close() {
    clearInterval(this.timer);
    await this.stopListening();
  }

  #tick() {
    const messages = this.game.step(TICK_MS);
    for (const message of messages) this.#broadcast(message);
    this.ticks += 1;
    if (this.ticks % BOARD_EVERY_TICKS === 0) this.#broadcast({ type: 'board', ...this.game.board('total', 100) });
    if (this.ticks % RANK_EVERY_TICKS === 0) for (const socket of this.sockets) this.#tellRank(socket);
  }

  #broadcast(message) {
    const text = stamped(message);
    for (const socket of this.sockets) {
      if (socket.interest === undefined) continue;
      if (socket.interest === null) socket.send(text);
      else for (const part of within(socket.interest, message)) socket.send(stamped(part));
    }
  }

  #tellRank(socket) {
    if (!socket.ownRank || socket.player === null) return;
    const { rank, score, of: players = this.game.ranked().length } = this.game.playerRank('total', socket.player) ?? {};
    const { player } = socket;
    socket.send(stamped({ type: 'rank', board: 'total', player, rank, score, players, position: this.game.position() }));
  }

  #upgrade(request, socket, head) {
    const path = new URL(request.url, 'http://mock').pathname;
    if (path !== `/v1/hunts/${this.game.hunt}/live`) {
      socket.end('HTTP/1.1 404 Not Found\r\nconnection: close\r\n\r\n');
      return;
    }
    const offered = (request.headers['sec-websocket-protocol'] ?? '').split(',').map((item) => item.trim());
    const bearer = offered.find((item) => item.startsWith('bearer.'))?.slice('bearer.'.length);
    const player = bearer === undefined ? null : this.#playerOf(bearer);
    if (bearer !== undefined && player === null) {
      socket.end('HTTP/1.1 401 Unauthorized\r\nconnection: close\r\n\r\n');
      return;
    }
    this.upgrades.handleUpgrade(request, socket, head, (live) => this.#serve(live, player));
  }

  #serve(live, player) {
    this.sockets.add(live);
    live.on('close', () => this.sockets.delete(live));
    live.player = player;
    const send = (message) => live.send(stamped(message));
    live.on('message', (data) => {
      const message = JSON.parse(String(data));
      if (message.type === 'subscribe') {
        const { interest = null, own_rank: ownRank } = message;
        const same = JSON.stringify(live.interest) === JSON.stringify(interest);
        const missed = same ? [] : message.resume === undefined ? null : this.game.since(message.resume);
        send({
          type: 'subscribed', hunt: this.game.hunt, ...(player === null ? {} : { player }), resumed: missed !== null,
          tick: this.game.tick, resume: missed === null || same ? this.game.position() : message.resume, tick_ms: TICK_MS,
          ...(interest === null ? {} : { interest }), ...(ownRank === undefined ? {} : { own_rank: ownRank }),
        });
        for (const one of missed ?? [this.game.snapshot()]) {
          for (const part of interest === null ? [one] : within(interest, one)) send(part);
        }
        live.interest = interest;
        live.ownRank = ownRank;
        this.#tellRank(live);
      } else if (message.type === 'claim') {
        const { id, round, tile } = message;
        if (player === null) send({ type: 'error', id, code: 'unauthorized', detail: 'watching only' });
        else setTimeout(() => send({ type: 'outcome', id, round, tile, ...this.game.claim(player, round, tile) }), 4);
      }
    });
  }

  async #answer(request, response) {
    const url = new URL(request.url, 'http://mock');
    const parts = url.pathname.split('/').filter(Boolean).map(decodeURIComponent);
    const json = (status, body) => {
      response.writeHead(status, { 'content-type': status < 400 ? 'application/json' : 'application/problem+json' });
      response.end(JSON.stringify(body));
    };
    const problem = (status, name, extra = {}) => json(status, { type: `/problems/${name}`, title: name, status, ...extra });
    if (parts[0] === 'mock') return this.#control(parts[1], url, json);
    if (parts[0] === 'healthz') return json(200, { ok: true });
    if (parts[0] !== 'v1') return this.#file(url.pathname, response);
    if (parts[1] === 'stats') return json(200, this.#stats());
    if (parts[1] === 'flags') {
      return request.headers.authorization === `Bearer ${SERVICE_KEY}` ? json(200, { flags: FLAGS }) : problem(401, 'unauthorized');
    }
    if (parts[1] === 'maps') {
      const map = this.game.maps.get(parts[2]);
      return map === undefined ? problem(404, 'unknown-map') : json(200, map);
    }
    if (parts[1] !== 'hunts') return problem(404, 'not-found');
    if (parts.length === 2) return json(200, { hunts: [this.game.view({ withOutline: false })] });
    if (parts[2] !== this.game.hunt) return problem(404, 'unknown-hunt');
    if (parts.length === 3) return json(200, this.game.view({ withOutline: true }));
    switch (`${request.method} ${parts[3]}`) {
      case 'GET cells':
        return json(200, {
          hunt: this.game.hunt, config_version: 1, resolution: 12, count: this.game.cells.length,
          hash: '00'.repeat(32), cells: this.game.cells,
        });
      case 'GET rounds': {
        const view = this.game.roundView(parts[4] === 'current' ? this.game.lastRound : Number(parts[4]));
        return view === null ? problem(404, 'unknown-round') : json(200, view);
      }
      case 'GET boards': {
        const asked = url.searchParams;
        const window = asked.has('window') ? Date.parse(asked.get('window')) : null;
        if (parts[5] === 'windows') return json(200, { board: parts[4], position: this.game.position(), windows: this.game.windows(parts[4]) });
        if (parts[5] !== 'players') {
          const page = this.game.board(parts[4], Number(asked.get('limit') ?? 100), { window, cursor: asked.get('cursor') });
          return page === null ? problem(404, 'unknown-window') : json(200, page);
        }
        const rank = this.game.playerRank(parts[4], parts[6], { window, around: Number(asked.get('around') ?? 0) });
        return rank === null ? problem(404, 'unknown-player') : json(200, rank);
      }
      case 'POST guests': {
        if (!this.guests) return problem(404, 'guests-disabled');
        const { name } = await bodyOf(request);
        return json(201, this.#newGuest(name));
      }
      case 'POST claims': {
        const player = this.#playerOf((request.headers.authorization ?? '').replace(/^Bearer /, ''));
        if (player === null) return problem(401, 'unauthorized');
        const { round, tile } = await bodyOf(request);
        const outcome = this.game.claim(player, round, tile);
        return outcome.outcome === 'won' ? json(200, outcome) : problem(409, outcome.outcome, outcome);
      }
      default:
        return problem(404, 'not-found');
    }
  }

  async #control(what, url, json) {
    switch (what) {
      case 'restart':
        json(200, {});
        await this.restart(Number(url.searchParams.get('for_ms') ?? 1500));
        return;
      case 'cut':
        for (const socket of this.sockets) socket.close(Number(url.searchParams.get('code') ?? 4000));
        return json(200, {});
      case 'correct':
        this.game.correct(url.searchParams.get('kind'), url.searchParams.get('player'), url.searchParams.get('reason') ?? 'a script');
        return json(200, {});
      case 'state':
        this.game.setState(url.searchParams.get('state') ?? 'running');
        return json(200, {});
      default:
        return json(404, {});
    }
  }

  async #file(path, response) {
    const name = normalize(path === '/' ? '/index.html' : path);
    try {
      const bytes = await readFile(join(DIST, name));
      response.writeHead(200, {
        'content-type': TYPES[extname(name)] ?? 'application/octet-stream',
        // As strict as the real server could be, so that the console never needs less.
        'content-security-policy': "default-src 'self'",
      });
      response.end(bytes);
    } catch {
      response.writeHead(404).end();
    }
  }

  #stats() {
    const { stats } = this.game;
    const sorted = [...stats.latencies].sort((left, right) => left - right);
    const at = (share) => sorted[Math.floor(sorted.length * share)] ?? null;
    return {
      server_time: iso(Date.now()), uptime_s: Math.round((Date.now() - this.startedAt) / 1000),
      attempts_total: stats.attempts, won_total: stats.won, taken_total: stats.taken, refused_total: stats.refused,
      unanswered_total: 0, events_total: stats.events, claim_p50_ms: at(0.5), claim_p99_ms: at(0.99),
      connections: this.sockets.size + 1000,
      projections: ['boards', 'broadcast', 'followers'].map((name, index) => ({
        name, lag_ms: Math.round(20 + index * 30 + 25 * Math.random()), lag_records: Math.round(40 * Math.random()),
      })),
      log: { bytes: stats.won * 60, batches_total: this.ticks * 3, syncs_total: this.ticks * 3 },
      memory_bytes: process.memoryUsage().rss,
      retention: {
        log_s: 30 * 86_400, answers_s: 6 * 3_600, events_s: 86_400, oldest_at: iso(Date.now() - 30.4 * 86_400_000),
        streams: ['shard-00000', 'shard-00001', 'shard-00002', 'control'].map((stream, index) => ({
          stream, oldest_at: iso(Date.now() - (30.4 - index) * 86_400_000), records: 1_204_331 + stats.won, trimmed_records: 91_020_114 - index,
          bytes: 64e6 * (index + 2), segments: index + 2, kept_for: index === 0 ? 'segment' : 'retention',
        })),
      },
    };
  }

  #newGuest(name) {
    const base = typeof name === 'string' && name.trim() !== '' ? name.trim().slice(0, 32) : 'guest';
    const player = `${base}~${randomBytes(5).toString('hex')}`;
    const expires = Date.now() + 3_600_000;
    const payload = Buffer.from(JSON.stringify({ sub: player, exp: Math.floor(expires / 1000) })).toString('base64url');
    return { player, token: `mock.${payload}.${this.#sign(payload)}`, expires_at: iso(expires) };
  }

  #playerOf(token) {
    const [, payload, signature] = token.split('.');
    if (payload === undefined || signature !== this.#sign(payload)) return null;
    return JSON.parse(Buffer.from(payload, 'base64url').toString()).sub;
  }

  #sign(payload) {
    return createHmac('sha256', this.key).update(payload).digest('base64url');
  }
}

async function bodyOf(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return JSON.parse(Buffer.concat(chunks).toString() || '{}');
}

function stamped(message) {
  return JSON.stringify({ ...message, server_time: iso(Date.now()) });
}

/** What of a message a socket gets that wants boards only. */
function within({ boards }, message) {
  switch (message.type) {
    case 'round':
      return [];
    case 'delta':
      return message.state === undefined && message.corrections === undefined ? [] : [{ ...message, claims: [], closed: [], seeds: [] }];
    case 'snapshot':
      return [{ ...message, rounds: [], board: boards.includes('total') ? message.board : undefined }];
    case 'board':
      return boards.includes(message.board) ? [message] : [];
    default:
      return [message];
  }
}
