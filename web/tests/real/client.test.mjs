/**
 * The TypeScript client in a browser, as others bundle it, in both forms, on a real server at
 * HUNTCORE_URL: its other tests run in Node, and the console speaks JSON only.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { build } from 'vite';
import { launch } from '../browser.mjs';
import { findHunt, Rival, url } from '../e2e/support.mjs';

const PAGE = fileURLToPath(new URL('client.page.mjs', import.meta.url));

describe('the client in a browser', { timeout: 120_000 }, () => {
  let browser;
  let page;
  let hunt;

  before(async () => {
    hunt = await findHunt();
    browser = await launch();
    // The script is the test's, not the console's.
    const context = await browser.newContext({ bypassCSP: true });
    page = await context.newPage();
    await page.goto(url);
    await page.addScriptTag({ content: await bundle() });
  });
  after(() => browser?.close());

  for (const form of ['json', 'proto']) {
    it(`sees a claim in ${form}`, async () => {
      const rival = await Rival.join(hunt);
      const { round, tiles } = await page.evaluate(([name, how]) => window.watch(name, how), [hunt, form]);
      let tile = 0;
      while (tile < tiles && (await rival.claim(round, tile)) !== 'won') tile += 1;
      assert.equal(await page.evaluate((index) => window.claimed(index), tile), rival.player);
    });
  }
});

async function bundle() {
  const [{ output }] = await build({
    configFile: false,
    logLevel: 'error',
    resolve: { conditions: ['huntcore-source'] },
    build: { write: false, lib: { entry: PAGE, formats: ['iife'], name: 'client' } },
  });
  return output[0].code;
}
