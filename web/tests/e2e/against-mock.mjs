/** Runs the browser tests against the mock: all that needs no real server. */
import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { MockServer } from '../mock/server.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));
const tests = ['tests/e2e', 'tests/console'].flatMap((folder) =>
  readdirSync(`${root}/${folder}`)
    .filter((name) => name.endsWith('.test.mjs'))
    .map((name) => `${folder}/${name}`),
);
const mock = new MockServer({ claimsPerSecond: 120 });
const url = await mock.listen();
const child = spawn(process.execPath, ['--test', '--test-concurrency=1', ...tests], {
  cwd: root,
  stdio: 'inherit',
  env: { ...process.env, HUNTCORE_URL: url, HUNTCORE_RESTART_CMD: `"${process.execPath}" tests/mock/restart.mjs` },
});
child.once('exit', async (code) => {
  await mock.close();
  process.exitCode = code ?? 1;
});
