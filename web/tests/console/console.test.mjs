/** The console alone, against the mock: faults, keyboard, phone, and what must not happen. */
import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { launch } from '../browser.mjs';
import { Console } from '../e2e/support.mjs';
import { MockServer, SERVICE_KEY } from '../mock/server.mjs';

describe('the console against the mock', { timeout: 300_000 }, () => {
  let browser;
  let mock;
  let url;
  let context;

  before(async () => {
    browser = await launch();
  });
  after(() => browser?.close());

  beforeEach(async () => {
    await begin({});
  });
  afterEach(async () => {
    await context?.close();
    await mock?.close();
  });

  async function begin(options) {
    await mock?.close();
    mock = new MockServer({ claimsPerSecond: 60, ...options });
    url = await mock.listen();
  }

  async function open(path, options = {}) {
    context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
    const page = await context.newPage();
    const game = new Console(page);
    await page.goto(`${url}/${path}`);
    return { page, game };
  }

  it('opens the only hunt by itself', async () => {
    const { page, game } = await open('');
    await game.statusIs('live');
    await page.waitForURL(/#\/play\/park$/);
  });

  it('says so where there is no such hunt', async () => {
    const { page } = await open('#/play/nowhere');
    await page.getByRole('heading', { name: /No hunt/ }).waitFor();
  });

  it('falls back to watching when its token is refused, and says so', async () => {
    const { page, game } = await open('#/play/park');
    await game.join('ada');
    await control('cut?code=1008');
    await page.getByTestId('join-name').waitFor();
    await game.statusIs('live');
    await page.waitForFunction(() => /session has ended/.test(document.querySelector('[data-testid="announcer"]').textContent));
  });

  it('takes a token from the address, and hides it at once', async () => {
    const guest = await (await fetch(`${url}/v1/hunts/park/guests`, { method: 'POST', body: '{"name":"linked"}' })).json();
    const { page } = await open(`#/play/park?token=${guest.token}`);
    await page.getByTestId('my-row').waitFor();
    assert.equal(await page.getByTestId('my-row').getAttribute('data-player'), guest.player);
    assert.equal(new URL(page.url()).hash, '#/play/park');
  });

  it('stays the same player over a reload, with the history', async () => {
    const { page, game } = await open('#/play/park');
    const me = await game.join('ada');
    await page.getByTestId('history-tab').click();
    await game.openList();
    const won = await game.win();
    await page.reload();
    await page.getByTestId('my-row').waitFor();
    assert.equal(await page.getByTestId('my-row').getAttribute('data-player'), me);
    await page.getByTestId('history-tab').click();
    await game.row(won, 'won').waitFor();
  });

  it('asks for a token where guests are not allowed', async () => {
    await begin({ guests: false });
    const { page } = await open('#/play/park');
    await page.getByTestId('join-button').click();
    await page.getByTestId('join-token').waitFor();
    assert.match(await page.getByRole('alert').first().innerText(), /token only/);
  });

  it('hides what the hunt hides', async () => {
    await begin({ valuesHidden: true });
    const { page, game } = await open('#/play/park');
    await game.join('ada');
    await game.openList();
    assert.match(await game.freeTiles.first().innerText(), /\?/);
    assert.equal(await page.getByLabel('Best first').isDisabled(), true);
  });

  for (const code of [1013, 4000, 1011]) {
    it(`comes back after close code ${code}`, async () => {
      const { game } = await open('#/play/park');
      await game.join('ada');
      await control(`cut?code=${code}`);
      await game.statusIs('reconnecting');
      await game.statusIs('live');
      assert.equal(await game.status.getAttribute('data-resumed'), 'true');
    });
  }

  it('says that the hunt is paused, and that it goes on', async () => {
    const { page, game } = await open('#/play/park');
    await game.statusIs('live');
    await control('state?state=paused');
    await page.getByText('The hunt is paused').first().waitFor();
    await control('state?state=running');
    await page.locator('.banner').waitFor({ state: 'detached' });
  });

  it('asks for the board alone to watch, and for the map once it is shown', async () => {
    const { page, game } = await open('#/watch/park');
    await game.statusIs('live');
    const [socket] = mock.sockets;
    assert.deepEqual(socket.interest, { boards: ['total'] });
    await page.getByRole('link', { name: 'Play', exact: true }).click();
    await game.mapIsDrawn();
    assert.equal(socket.interest, null);
    await page.getByRole('link', { name: 'Watch', exact: true }).click();
    await page.locator('.uplot canvas').first().waitFor();
    await page.getByRole('link', { name: 'Play', exact: true }).click();
    await game.mapIsDrawn();
    assert.equal(mock.sockets.size, 1);
    assert.equal(socket.interest, null);
  });

  it('tells me my rank where the board does not show it', async () => {
    await begin({ firstRound: 18_204, bots: 150 });
    const { page, game } = await open('#/play/park');
    await game.join('ada');
    await game.openList();
    await page.getByTestId('history-tab').click();
    await game.win();
    const rank = page.locator('[data-testid="my-row"]:not([data-rank=""])');
    await rank.waitFor({ state: 'attached' });
    assert.ok(Number(await rank.getAttribute('data-rank')) > 100);
    assert.ok(Number(await rank.getAttribute('data-score')) >= 1);
  });

  it('proves the maps that it saw', async () => {
    await begin({ claimWindowMs: 2_000 });
    const { page } = await open('#/play/park');
    await page.waitForFunction(() => Number(document.querySelector('[data-testid="fair-seal"]')?.getAttribute('data-verified')) >= 2);
  });

  it('is played by keyboard alone', async () => {
    const { page, game } = await open('#/play/park');
    await game.statusIs('live');
    await page.getByTestId('join-name').focus();
    await page.keyboard.press('Enter');
    await page.getByTestId('my-row').waitFor();
    await game.statusIs('live');
    await page.getByTestId('tile-list-toggle').focus();
    await page.keyboard.press('Enter');
    await game.freeTiles.first().waitFor();
    // One stop in the tab order for the whole list; the arrows move within it.
    await page.locator('[data-testid="tile-button-0"]').focus();
    await page.keyboard.press('ArrowRight');
    await page.keyboard.press('ArrowRight');
    const focused = () => page.evaluate(() => document.activeElement.getAttribute('data-testid'));
    assert.equal(await focused(), 'tile-button-2');
    assert.equal(await page.locator('[data-testid^="tile-button-"][tabindex="0"]').count(), 1);
    await page.keyboard.press('End');
    assert.equal(await focused(), 'tile-button-119');
    for (let tries = 0; tries < 40 && (await page.getByTestId('history-row').count()) === 0; tries += 1) {
      await page.keyboard.press('ArrowLeft');
      await page.keyboard.press('Enter');
    }
    assert.ok((await page.getByTestId('history-row').count()) > 0, 'Enter claims');
    await page.waitForFunction(() => /Tile|tiles/.test(document.querySelector('[data-testid="announcer"]').textContent));
  });

  it('has a skip link first, and names for all that can be pressed', async () => {
    const { page, game } = await open('#/play/park');
    await game.mapIsDrawn();
    await page.keyboard.press('Tab');
    assert.equal(await page.evaluate(() => document.activeElement.textContent), 'Skip to the tiles');
    await page.keyboard.press('Enter');
    assert.equal(await page.evaluate(() => document.activeElement.id), 'tiles');
    const nameless = await page.evaluate(() =>
      [...document.querySelectorAll('button, a, input, select')]
        .filter((element) => (element.getAttribute('aria-label') ?? element.textContent ?? '').trim() === '' && (element.labels?.length ?? 0) === 0)
        .map((element) => element.outerHTML),
    );
    assert.deepEqual(nameless, []);
    const table = page.getByRole('table');
    assert.ok((await table.getByRole('row').count()) > 1);
    assert.equal(await table.getByRole('columnheader').count(), 4);
  });

  it('pages through a board, follows a player, and shows who stands around', async () => {
    await begin({ firstRound: 18_204, bots: 240 });
    const { page, game } = await open('#/boards/park');
    await game.statusIs('live');
    const range = page.getByTestId('page-range');
    await page.getByTestId('rank-row').nth(99).waitFor();
    assert.match(await range.innerText(), /^1 – 100$/);
    await page.getByRole('button', { name: 'Next 100' }).click();
    await page.locator('[data-testid="rank-row"][data-rank="101"]').waitFor();
    const followed = await page.getByTestId('rank-row').first().getAttribute('data-player');
    await page.getByTestId('rank-row').first().getByRole('button').click();
    const place = page.locator('[data-testid="place"]:not([data-rank=""])');
    await place.waitFor();
    assert.equal(await place.getAttribute('data-player'), followed);
    assert.equal(await page.getByTestId('neighbour').count(), 9);
    // Bots play on: the rank moves, and its line begins.
    await page.locator('[data-testid="rank-sparkline"] path').first().waitFor({ state: 'attached' });
    await page.getByRole('button', { name: 'First', exact: true }).click();
    await page.locator('[data-testid="rank-row"][data-rank="1"]').waitFor();
    await page.getByLabel('Find a player').fill('nobody');
    await page.keyboard.press('Enter');
    await page.getByText('Not on this board').waitFor();
  });

  it('shows the windows of a board, final or running, and the ranks in them', async () => {
    await begin({ firstRound: 18_204 });
    const { page, game } = await open('#/boards/park');
    await game.statusIs('live');
    await page.getByTestId('board-tens').click();
    assert.match(await page.getByTestId('board-tens').innerText(), /points of claims, added up\s+every 10s/);
    const picker = page.getByTestId('window-picker');
    await page.locator('[data-testid="window-picker"][data-final="true"]').waitFor();
    const latest = Number(await picker.getAttribute('data-start'));
    assert.equal(latest % 10_000, 0);
    await page.getByText('recorded', { exact: true }).waitFor();
    await page.getByRole('button', { name: 'Older window' }).click();
    await page.waitForFunction((before) => Number(document.querySelector('[data-testid="window-picker"]').dataset.start) < before, latest);
    assert.equal(await page.getByTestId('window-state').innerText(), 'final');
    await page.getByTestId('rank-row').first().getByRole('button').click();
    await page.locator('[data-testid="rank-sparkline"][data-points="24"]').waitFor();
    await page.getByTestId('window-select').selectOption({ index: 1 });
    await page.locator('[data-testid="window-picker"][data-final="false"]').waitFor();
    assert.equal(await page.getByTestId('window-state').innerText(), 'running');
    await page.getByTestId('window-select').selectOption('latest');
    await page.locator('[data-testid="window-picker"][data-final="true"]').waitFor();
  });

  it('shows a correction as one, with its reason, when somebody vanishes from a board', async () => {
    await begin({ firstRound: 18_204 });
    const { page, game } = await open('#/boards/park');
    await game.statusIs('live');
    const first = await page.getByTestId('rank-row').first().getAttribute('data-player');
    await control(`correct?kind=disqualified&player=${encodeURIComponent(first)}&reason=seen+using+a+bot`);
    const row = page.getByTestId('correction').first();
    await row.waitFor();
    assert.match(await row.innerText(), /disqualified[\s\S]*seen using a bot/);
    await page.locator(`[data-testid="rank-row"][data-player="${first}"]`).waitFor({ state: 'detached' });
    await control(`correct?kind=reinstated&player=${encodeURIComponent(first)}`);
    await page.locator('[data-testid="correction"][data-kind="reinstated"]').waitFor();
    await page.locator(`[data-testid="rank-row"][data-player="${first}"]`).waitFor();
    // Whoever comes later is told, too.
    await page.reload();
    assert.equal(await page.getByTestId('correction').nth(1).getAttribute('data-kind').catch(() => null), 'disqualified');
  });

  it('shows how far readers of the log are behind, what is kept, and flags to whoever has the key', async () => {
    const { page } = await open('#/watch/park');
    await page.locator('[data-projection="followers"]').waitFor();
    const stream = page.locator('[data-stream="shard-00000"]');
    await stream.waitFor();
    assert.equal(await stream.getAttribute('data-kept-for'), 'segment');
    assert.match(await page.getByTestId('retention').innerText(), /30 days[\s\S]*6 h[\s\S]*1 day/);
    const key = page.getByLabel('Flags are shown with the service key');
    await key.fill('not it');
    await page.keyboard.press('Enter');
    const again = page.getByLabel(/That key was refused/);
    await again.fill(SERVICE_KEY);
    await page.keyboard.press('Enter');
    await page.locator('[data-flag="boards.refresh"]').waitFor();
    assert.match(await page.getByTestId('flags').innerText(), /rebuild all hunts, tens[\s\S]*a canary on one board/);
    const kept = await page.evaluate(() => JSON.stringify({ ...localStorage, ...sessionStorage }));
    assert.ok(!kept.includes(SERVICE_KEY));
  });

  for (const path of ['#/play/park', '#/boards/park', '#/watch/park', '#/stage/park']) {
    it(`fits a phone: ${path}`, async () => {
      const { page, game } = await open(path, { viewport: { width: 375, height: 812 }, isMobile: true, hasTouch: true });
      await game.statusIs('live');
      if (!path.includes('watch') && !path.includes('boards')) await page.locator('canvas[data-ready="true"]').waitFor();
      const wide = await page.evaluate(() => document.documentElement.scrollWidth);
      assert.ok(wide <= 375, `${wide} pixels wide`);
    });
  }

  it('is claimed by a tap on a phone', async () => {
    const { page, game } = await open('#/play/park', { viewport: { width: 375, height: 812 }, isMobile: true, hasTouch: true });
    await game.join('thumb');
    await game.mapIsDrawn();
    const { x, y, width, height } = await page.getByTestId('map-canvas').boundingBox();
    for (let tries = 0; tries < 20 && (await page.getByTestId('history-row').count()) === 0; tries += 1) {
      await page.touchscreen.tap(x + width * (0.4 + 0.01 * tries), y + height * 0.55);
    }
    assert.ok((await page.getByTestId('history-row').count()) > 0, 'a tap claims');
  });

  it('stands still for those who ask for less motion', async () => {
    const { page, game } = await open('#/play/park', { reducedMotion: 'reduce' });
    await game.mapIsDrawn();
    await page.getByTestId('board-row').nth(3).waitFor();
    const moving = await page.evaluate(
      () => document.getAnimations().filter((one) => one.playState === 'running' && one.effect.getTiming().duration > 50).length,
    );
    assert.equal(moving, 0);
  });

  it('turns light and dark', async () => {
    const { page, game } = await open('#/play/park', { colorScheme: 'dark' });
    await game.mapIsDrawn();
    const theme = () => page.evaluate(() => document.documentElement.dataset.theme);
    assert.equal(await theme(), 'dark');
    await page.getByTestId('theme-toggle').click();
    assert.equal(await theme(), 'light');
    await page.reload();
    await game.mapIsDrawn();
    assert.equal(await theme(), 'light');
  });

  it('needs nothing that a strict content security policy forbids', async () => {
    const { page, game } = await open('#/play/park');
    await game.mapIsDrawn();
    await page.goto(`${url}/#/watch/park`);
    await page.locator('.uplot canvas').first().waitFor();
    await page.goto(`${url}/#/boards/park`);
    await page.getByTestId('rank-row').first().waitFor();
    await page.goto(`${url}/#/stage/park`);
    await game.mapIsDrawn();
    assert.deepEqual(game.faults, []);
  });

  async function control(what) {
    await fetch(`${url}/mock/${what}`, { method: 'POST' });
  }
});
