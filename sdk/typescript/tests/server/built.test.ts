/** What the package ships is what Node imports by its name, without a bundler. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { Site } from './site.ts';

const run = promisify(execFile);
const folder = fileURLToPath(new URL('../..', import.meta.url));

it('the built package watches a hunt in plain Node', async () => {
  const site = await Site.make();
  try {
    await run('npm', ['run', '--silent', 'build'], { cwd: folder });
    const program = `
      import { HuntcoreClient, proto } from 'huntcore-client';
      import { WebSocket } from 'ws';
      const live = new HuntcoreClient('${site.url}').live('park', { form: proto, webSocket: WebSocket });
      const { info } = await live.until((state) => state.newestOpen());
      console.log(info.tiles, import.meta.resolve('huntcore-client').endsWith('/dist/index.js'));
      live.close();
    `;
    const { stdout } = await run(process.execPath, ['--input-type=module', '--eval', program], { cwd: folder });
    expect(stdout).toBe('64 true\n');
  } finally {
    await site.remove();
  }
});
