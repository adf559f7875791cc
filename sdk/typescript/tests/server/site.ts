/**
 * A place where real servers run, one after the other, on one data directory and one port.
 * Nothing is slept for: a server is up when it says so, and gone when it is.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { WebSocket } from 'ws';
import { HuntcoreClient, type LiveHunt, type LiveOptions } from '../../src/index.ts';

const ROOT = fileURLToPath(new URL('../../../..', import.meta.url));
const PROGRAM = process.env['HUNTCORE_BIN'] ?? join(ROOT, 'target/debug/huntcore');
const SERVICE_KEY = 'service-key-of-the-sdk-tests-0123456789';
const PLAYER_KEY = 'player-key-of-the-sdk-tests-0123456789';

export class Site {
  readonly #folder: string;
  readonly #opened: LiveHunt[] = [];
  #child: ChildProcess | null = null;
  #said: string[] = [];
  #port = 0;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  /** With a server running on it. */
  static async make(): Promise<Site> {
    const site = new Site(await mkdtemp(join(tmpdir(), 'huntcore-sdk-')));
    await site.start();
    return site;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  get client(): HuntcoreClient {
    return new HuntcoreClient(this.url);
  }

  async start(): Promise<void> {
    const config = join(this.#folder, 'huntcore.toml');
    await writeFile(config, this.#config());
    const child = spawn(PROGRAM, ['serve', '--config', config], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, HUNTCORE_PLAYER_KEY: PLAYER_KEY, HUNTCORE_SERVICE_KEY: SERVICE_KEY },
    });
    this.#child = child;
    this.#said = [];
    const listening = new Promise<number>((resolve, reject) => {
      for (const stream of [child.stdout, child.stderr]) {
        createInterface({ input: stream }).on('line', (line) => {
          this.#said.push(line);
          const port = /listening on http:\/\/127\.0\.0\.1:(\d+)/.exec(line)?.[1];
          if (port !== undefined) resolve(Number(port));
        });
      }
      child.once('error', reject);
      child.once('exit', (code, signal) => reject(new Error(`huntcore serve ended with ${code ?? signal}:\n${this.#said.join('\n')}`)));
    });
    this.#port = await listening;
    for (;;) {
      const { status } = await fetch(`${this.url}/readyz`);
      if (status === 200) return;
      await this.#nextLine(child);
    }
  }

  /** SIGKILL ends it as a power cut would; SIGTERM lets it say goodbye. */
  async end(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    const child = this.#child;
    this.#child = null;
    if (child === null || child.exitCode !== null) return;
    const exited = once(child, 'exit');
    child.kill(signal);
    await exited;
  }

  /** Opens a live connection that ends with the site. */
  live(options: LiveOptions = {}): LiveHunt {
    const live = this.client.live('park', { webSocket: WebSocket, ...options });
    this.#opened.push(live);
    return live;
  }

  /** The same as a new player, with the player's id. */
  async join(name: string, options: LiveOptions = {}): Promise<{ readonly player: string; readonly live: LiveHunt }> {
    const { player, token } = await this.client.joinAsGuest('park', name);
    return { player, live: this.live({ token, ...options }) };
  }

  /** What a service may do. */
  async service(path: string): Promise<void> {
    const response = await fetch(this.url + path, { method: 'POST', headers: { authorization: `Bearer ${SERVICE_KEY}` } });
    if (!response.ok) throw new Error(`${path} answered ${response.status}: ${await response.text()}`);
  }

  async remove(): Promise<void> {
    for (const live of this.#opened) live.close();
    await this.end('SIGKILL');
    await rm(this.#folder, { recursive: true });
  }

  async #nextLine(child: ChildProcess): Promise<void> {
    if (child.exitCode !== null) throw new Error(this.#said.join('\n'));
    await Promise.race([once(child.stderr as NonNullable<typeof child.stderr>, 'data'), once(child, 'exit')]);
  }

  #config(): string {
    return `listen = "127.0.0.1:${this.#port}"
[log]
url = "file:${join(this.#folder, 'data')}"
[auth]
player_alg = "HS256"
player_key = "env:HUNTCORE_PLAYER_KEY"
service_key = "env:HUNTCORE_SERVICE_KEY"
guests = true
[[hunt]]
id = "park"
area = "${join(ROOT, 'examples/areas/park.geojson')}"
resolution = 12
round = "1s"
claim_window = "4s"
tiles = 64
`;
  }
}
