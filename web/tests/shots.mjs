/**
 * Pictures of the console, for the README and for looking at it: `npm run shots -- DIR`.
 *
 * Against HUNTCORE_URL if given, else against the mock.
 */
import { mkdir } from 'node:fs/promises';
import { launch } from './browser.mjs';
import { MockServer } from './mock/server.mjs';

const directory = process.argv[2] ?? 'shots';
const only = process.argv[3];
const SIZES = { wide: { width: 1440, height: 900 }, phone: { width: 390, height: 844 } };

await mkdir(directory, { recursive: true });
const mock = process.env.HUNTCORE_URL === undefined ? new MockServer({ firstRound: 18_204 }) : null;
const url = process.env.HUNTCORE_URL ?? (await mock.listen());
const { hunts } = await (await fetch(`${url}/v1/hunts`)).json();
const hunt = process.env.HUNTCORE_HUNT ?? hunts[0].hunt;
const browser = await launch();
try {
  for (const [size, viewport] of Object.entries(SIZES)) {
    for (const colorScheme of ['dark', 'light']) {
      const context = await browser.newContext({ viewport, colorScheme, deviceScaleFactor: size === 'phone' ? 2 : 1, hasTouch: size === 'phone', isMobile: size === 'phone' });
      const page = await context.newPage();
      page.on('pageerror', (error) => console.error('page error', error));
      page.on('console', (message) => {
        if (message.type() === 'error') console.error('console', message.text());
      });
      const shoot = async (name) => {
        if (only !== undefined && !`${name}-${size}-${colorScheme}`.includes(only)) return;
        await page.screenshot({ path: `${directory}/${name}-${size}-${colorScheme}.png` });
      };
      await page.goto(`${url}/#/play/${hunt}`);
      await page.locator('[data-testid=map-canvas][data-ready=true]').waitFor();
      await page.locator('[data-testid=board-row]').nth(5).waitFor();
      await settle(page);
      await shoot('watching');
      await page.getByTestId('join-button').click();
      await page.getByTestId('my-row').waitFor();
      await claimSome(page);
      await settle(page);
      await shoot('play');
      await page.getByTestId('history-tab').click();
      await page.getByTestId('history-row').first().waitFor();
      await shoot('history');
      await page.getByTestId('tile-list-toggle').click();
      await page.getByTestId('tile-button-0').waitFor();
      await settle(page);
      await shoot('list');
      await page.goto(`${url}/#/stage/${hunt}`);
      await page.locator('[data-testid=map-canvas][data-ready=true]').waitFor();
      await page.locator('[data-testid=board-row]').nth(5).waitFor();
      await settle(page, 3_500);
      await shoot('stage');
      await page.goto(`${url}/#/boards/${hunt}`);
      await page.getByTestId('rank-row').nth(5).waitFor();
      await page.getByTestId('rank-row').nth(2).getByRole('button').click();
      await settle(page, 9_000);
      await shoot('boards');
      const own = page.locator('[data-testid="board-tens"]');
      if ((await own.count()) > 0) {
        await own.click();
        await page.getByTestId('rank-row').nth(5).waitFor();
        await page.getByTestId('rank-row').nth(8).getByRole('button').click();
        await settle(page, 4_000);
        await shoot('windows');
      }
      if (only === undefined || 'watch'.includes(only.split('-')[0])) {
        await page.goto(`${url}/#/watch/${hunt}`);
        await settle(page, 14_000);
        await shoot('watch');
      }
      await context.close();
    }
  }
} finally {
  await browser.close();
  await mock?.close();
}

/** For a picture only: lets the waves and the board come to rest. */
function settle(page, ms = 1_500) {
  return page.waitForTimeout(ms);
}

/** Holds a round and presses a few spots around the middle of the map. */
async function claimSome(page) {
  await page.locator('.follow').click();
  const canvas = page.getByTestId('map-canvas');
  const { width, height } = await canvas.boundingBox();
  for (let index = 0; index < 14; index += 1) {
    const angle = index * 2.4;
    const reach = 0.04 + 0.016 * index;
    await canvas.click({ position: { x: width * (0.5 + reach * Math.cos(angle)), y: height * (0.46 + reach * Math.sin(angle)) } });
  }
}
