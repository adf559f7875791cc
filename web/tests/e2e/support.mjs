/** What the browser tests share: the server under test, a rival without a browser, the page. */
import { spawn } from 'node:child_process';

export const TIMEOUT_MS = 60_000;

export const url = (process.env.HUNTCORE_URL ?? '').replace(/\/$/, '');
export const restartCommand = process.env.HUNTCORE_RESTART_CMD ?? '';

if (url === '') throw new Error('HUNTCORE_URL must name a running server, such as http://127.0.0.1:7070');

/** The hunt to play: HUNTCORE_HUNT, else the first one that is running. */
export async function findHunt() {
  const { hunts } = await get('/v1/hunts');
  const wanted = process.env.HUNTCORE_HUNT;
  const hunt = hunts.find((one) => (wanted === undefined ? one.state === 'running' : one.hunt === wanted));
  if (hunt === undefined) throw new Error(`no hunt ${wanted ?? 'is running'} at ${url}`);
  return hunt.hunt;
}

export async function get(path) {
  const response = await fetch(url + path);
  if (!response.ok) throw new Error(`${path} answered ${response.status}`);
  return response.json();
}

/** A player who claims over HTTP. */
export class Rival {
  static async join(hunt) {
    const response = await fetch(`${url}/v1/hunts/${hunt}/guests`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ name: 'rival' }),
    });
    if (response.status !== 201) throw new Error(`no guest token (${response.status}): the server needs guests = true`);
    return Object.assign(new Rival(), { hunt, ...(await response.json()) });
  }

  /** The outcome's name. */
  async claim(round, tile) {
    const response = await fetch(`${url}/v1/hunts/${this.hunt}/claims`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${this.token}` },
      body: JSON.stringify({ round, tile }),
    });
    const body = await response.json();
    return body.outcome ?? `status ${response.status}`;
  }
}

/**
 * Lets a test hold back the deltas, so that the page has not heard yet of a claim that the
 * server has decided: the only way to lose a race on purpose.
 */
export function installDeltaGate() {
  let held = null;
  window.deltaGate = {
    hold: () => (held = []),
    release: () => {
      const late = held ?? [];
      held = null;
      for (const deliver of late) deliver();
    },
  };
  window.WebSocket = class extends window.WebSocket {
    addEventListener(type, listener, options) {
      if (type !== 'message') {
        super.addEventListener(type, listener, options);
        return;
      }
      super.addEventListener(type, (event) => {
        if (held !== null && JSON.parse(event.data).type === 'delta') held.push(() => listener(event));
        else listener(event);
      });
    }
  };
}

/** The console's page, by its test ids. */
export class Console {
  constructor(page) {
    this.page = page;
    this.faults = [];
    page.setDefaultTimeout(TIMEOUT_MS);
    page.on('pageerror', (error) => this.faults.push(String(error)));
    page.on('console', (message) => {
      if (/Content Security Policy/.test(message.text())) this.faults.push(message.text());
    });
    this.status = page.getByTestId('connection-status');
    this.list = page.getByTestId('tile-list');
    this.freeTiles = page.locator('[data-testid^="tile-button-"][data-state="free"]');
  }

  statusIs(state) {
    return this.page.locator(`[data-testid="connection-status"][data-state="${state}"]`).waitFor();
  }

  mapIsDrawn() {
    return this.page.locator('[data-testid="map-canvas"][data-ready="true"]').waitFor();
  }

  async join(name) {
    await this.page.getByTestId('join-name').fill(name);
    await this.page.getByTestId('join-button').click();
    await this.page.getByTestId('my-row').waitFor();
    await this.statusIs('live');
    return this.page.getByTestId('my-row').getAttribute('data-player');
  }

  async openList() {
    await this.page.getByTestId('tile-list-toggle').click();
    await this.freeTiles.first().waitFor();
  }

  /** The round that the list holds, and a tile in it that is free as far as the page knows. */
  async freeTile() {
    const free = this.freeTiles.first();
    await free.waitFor();
    const round = Number(await this.list.getAttribute('data-round'));
    const testId = await free.getAttribute('data-testid');
    return { round, tile: Number(testId.slice('tile-button-'.length)) };
  }

  row({ round, tile }, outcome) {
    const how = outcome === undefined ? '' : `[data-outcome="${outcome}"]`;
    return this.page.locator(`[data-testid="history-row"][data-round="${round}"][data-tile="${tile}"]${how}`);
  }

  /** Presses a free tile; the attempt it became. */
  async press() {
    const before = await this.page.getByTestId('history-row').count();
    const { tile } = await this.freeTile();
    await this.page.getByTestId(`tile-button-${tile}`).click();
    const newest = this.page.getByTestId('history-row').first();
    await this.page.waitForFunction((count) => document.querySelectorAll('[data-testid="history-row"]').length > count, before);
    return {
      round: Number(await newest.getAttribute('data-round')),
      tile: Number(await newest.getAttribute('data-tile')),
    };
  }

  /** The final outcome of an attempt. */
  async outcome(attempt) {
    const row = this.row(attempt);
    const { round, tile } = attempt;
    await this.page.waitForFunction(
      (selector) => !['pending', null].includes(document.querySelector(selector)?.getAttribute('data-outcome') ?? null),
      `[data-testid="history-row"][data-round="${round}"][data-tile="${tile}"]`,
    );
    return row.getAttribute('data-outcome');
  }

  /** Presses tiles until one is won: other players may be faster now and then. */
  async win() {
    for (let tries = 0; tries < 30; tries += 1) {
      const attempt = await this.press();
      if ((await this.outcome(attempt)) === 'won') return attempt;
    }
    throw new Error('30 attempts, and none was won');
  }
}

/** Runs a command to its end; one that does not end in time is stopped, and has failed. */
export function run(command) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, { shell: true, stdio: ['ignore', 'inherit', 'inherit'], timeout: TIMEOUT_MS });
    child.once('error', reject);
    child.once('exit', (code, signal) =>
      code === 0 ? resolve() : reject(new Error(`${command} ended with ${code ?? signal}`)),
    );
  });
}
