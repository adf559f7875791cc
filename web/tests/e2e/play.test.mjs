/**
 * A person plays a hunt in a real browser, on a real server at HUNTCORE_URL, with guests
 * allowed. Every step goes on from the one before.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { launch } from '../browser.mjs';
import { Console, findHunt, get, installDeltaGate, restartCommand, Rival, run, url } from './support.mjs';

const LOSE_TRIES = 20;

describe('the console', { timeout: 300_000 }, () => {
  let browser;
  let hunt;
  let page;
  let game;
  let me;

  before(async () => {
    hunt = await findHunt();
    browser = await launch();
    const context = await browser.newContext({ viewport: { width: 1440, height: 900 } });
    page = await context.newPage();
    await page.addInitScript(installDeltaGate);
    game = new Console(page);
  });

  after(() => browser?.close());

  it('shows the map and the round to anyone', async () => {
    await page.goto(`${url}/#/play/${hunt}`);
    await game.statusIs('live');
    await game.mapIsDrawn();
    const shown = page.getByTestId('round-number');
    await page.waitForFunction(() => /\d/.test(document.querySelector('[data-testid="round-number"]').textContent));
    const current = await get(`/v1/hunts/${hunt}/rounds/current`);
    const number = Number((await shown.textContent()).replaceAll(',', ''));
    assert.ok(Math.abs(current.round - number) <= 2, `shows round ${number} while ${current.round} is open`);
    const painted = await page.evaluate(() => {
      const tiles = document.querySelectorAll('canvas')[1];
      const { data } = tiles.getContext('2d').getImageData(0, 0, tiles.width, tiles.height);
      let opaque = 0;
      for (let index = 3; index < data.length; index += 4) if (data[index] > 200) opaque += 1;
      return opaque;
    });
    assert.ok(painted > 50, `only ${painted} pixels of tiles are painted`);
  });

  it('lets a guest join', async () => {
    me = await game.join('browser');
    assert.match(me, /browser/);
    await page.getByTestId('history-tab').click();
  });

  it('wins a tile', async () => {
    await game.openList();
    const won = await game.win();
    await game.row(won, 'won').waitFor();
    const map = await get(`/v1/hunts/${hunt}/rounds/${won.round}`);
    assert.equal(map.round, won.round);
  });

  it('loses a tile that another player claimed first', async () => {
    const rival = await Rival.join(hunt);
    const lost = await loseOnPurpose(rival);
    await game.row(lost, 'taken').waitFor();
    assert.match(await game.row(lost).innerText(), /faster/);
  });

  it('wins a tile on the map itself', async () => {
    await page.getByTestId('tile-list-toggle').click();
    await game.mapIsDrawn();
    const canvas = page.getByTestId('map-canvas');
    await canvas.focus();
    // The keyboard's cursor goes to a free tile by itself, whatever the area looks like.
    for (let tries = 0; tries < 30; tries += 1) {
      const before = await page.getByTestId('history-row').count();
      await page.keyboard.press(tries % 2 === 0 ? 'ArrowRight' : 'ArrowDown');
      await page.keyboard.press('Enter');
      const after = await page.getByTestId('history-row').count();
      if (after === before) continue;
      const newest = page.getByTestId('history-row').first();
      const attempt = {
        round: Number(await newest.getAttribute('data-round')),
        tile: Number(await newest.getAttribute('data-tile')),
      };
      if ((await game.outcome(attempt)) === 'won') return;
    }
    assert.fail('no tile was won by keyboard');
  });

  it('shows the board, with me on it', async () => {
    await page.getByRole('tab', { name: 'Top 100' }).click();
    await page.getByTestId('board-row').first().waitFor();
    const points = await page
      .locator('[data-testid="history-row"][data-outcome="won"]')
      .evaluateAll((rows) => rows.reduce((sum, row) => sum + Number(row.getAttribute('data-points')), 0));
    await page.locator(`[data-testid="my-row"][data-score="${points}"]`).waitFor();
    const rank = Number(await page.getByTestId('my-row').getAttribute('data-rank'));
    assert.ok(rank >= 1, `rank ${rank}`);
    const standing = await get(`/v1/hunts/${hunt}/boards/total/players/${encodeURIComponent(me)}`);
    assert.equal(standing.score, points);
  });

  it('draws the figures of the server', async () => {
    const other = await page.context().newPage();
    const watching = new Console(other);
    await other.goto(`${url}/#/watch/${hunt}`);
    await other.waitForFunction(() => /\d/.test(document.querySelector('[data-testid="claims-per-second"]')?.textContent ?? ''));
    await other.locator('.uplot canvas').first().waitFor();
    assert.deepEqual(watching.faults, []);
    await other.close();
  });

  it('survives a restart of the server', { skip: restartCommand === '' && 'HUNTCORE_RESTART_CMD is not set' }, async () => {
    await page.getByTestId('history-tab').click();
    await game.openList();
    const won = await game.win();
    const restarted = run(restartCommand);
    await game.statusIs('reconnecting');
    // Pressed while nobody listens: it waits, and is sent when the server is back.
    const pending = await game.press();
    await restarted;
    await game.statusIs('live');
    assert.equal(await game.status.getAttribute('data-resumed'), 'true');
    const outcome = await game.outcome(pending);
    assert.ok(['won', 'taken', 'expired'].includes(outcome), `the attempt made meanwhile ended as ${outcome}`);
    assert.equal(await game.row(won).getAttribute('data-outcome'), 'won');
    await page.waitForFunction(
      (round) => Number(document.querySelector('[data-testid="tile-list"]').getAttribute('data-round')) > round,
      won.round,
    );
    await game.win();
    assert.equal(await page.getByTestId('my-row').getAttribute('data-player'), me, 'still the same player');
  });

  it('has made no fault on the page', () => {
    assert.deepEqual(game.faults, []);
  });

  async function loseOnPurpose(rival) {
    for (let tries = 0; tries < LOSE_TRIES; tries += 1) {
      await page.evaluate(() => window.deltaGate.hold());
      try {
        const wanted = await game.freeTile();
        if ((await rival.claim(wanted.round, wanted.tile)) !== 'won') continue;
        // The list may have gone on to another round meanwhile; then this is another tile.
        if (Number(await game.list.getAttribute('data-round')) !== wanted.round) continue;
        await page.getByTestId(`tile-button-${wanted.tile}`).click();
        if ((await game.row(wanted).count()) === 0) continue;
        assert.equal(await game.outcome(wanted), 'taken');
        return wanted;
      } finally {
        await page.evaluate(() => window.deltaGate.release());
      }
    }
    throw new Error(`${LOSE_TRIES} attempts, and none was lost`);
  }
});
