/** Restarts the mock at HUNTCORE_URL, and ends when it answers again. */
const url = process.env.HUNTCORE_URL;
await fetch(`${url}/mock/restart?for_ms=1500`, { method: 'POST' });
const deadline = Date.now() + 20_000;
for (let answered = false; !answered; ) {
  if (Date.now() > deadline) throw new Error(`${url} did not come back`);
  answered = await fetch(`${url}/healthz`).then(
    (response) => response.ok,
    () => false,
  );
  if (!answered) await new Promise((resolve) => setTimeout(resolve, 50));
}
