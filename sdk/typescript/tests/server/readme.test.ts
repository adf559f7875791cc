/** What README.md shows is what the examples hold, and they run. */
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { Site } from './site.ts';

const folder = fileURLToPath(new URL('../..', import.meta.url));
const examples = readdirSync(`${folder}/examples`).map((name) => name.replace(/\.ts$/, ''));
const readme = readFileSync(`${folder}/README.md`, 'utf8');

describe.each(examples)('examples/%s.ts', (name) => {
  let site: Site;
  beforeAll(async () => {
    site = await Site.make();
    vi.stubEnv('HUNTCORE_URL', site.url);
  });
  afterAll(async () => {
    vi.unstubAllEnvs();
    await site.remove();
  });

  it('stands in the README', () => {
    const text = readFileSync(`${folder}/examples/${name}.ts`, 'utf8');
    expect(readme).toContain(`<!-- examples/${name}.ts -->\n\`\`\`ts\n${text}\`\`\``);
  });

  it('runs, and says something', async () => {
    const log = vi.spyOn(console, 'log').mockImplementation(() => {});
    // Somebody has to have scored for there to be a board.
    const { live } = await site.join('bob');
    const { info } = await live.until((state) => state.newestOpen());
    expect(await live.claim(info.round, 63)).toMatchObject({ outcome: 'won' });
    await import(`../../examples/${name}.ts`);
    const said = log.mock.calls.flat().join('\n');
    log.mockRestore();
    expect(said).toMatch(name === 'play' ? /won, \d+ points\nrank \d+ of 2 with/ : /\d+ players on the board[^]*round \d+ is open until/);
  });
});
