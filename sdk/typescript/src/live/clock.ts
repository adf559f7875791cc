/**
 * The server's clock as seen from here.
 *
 * Every message says when it was written; the one that took the least time to arrive gives
 * the best estimate. The oldest samples are forgotten, so that a clock which is set or
 * drifts is followed.
 */
const SAMPLES_MAX = 64;

export class ServerClock {
  #samples: number[] = [];
  #offsetMs = 0;

  observe(serverTimeMs: number, localTimeMs: number): void {
    this.#samples.push(serverTimeMs - localTimeMs);
    if (this.#samples.length > SAMPLES_MAX) this.#samples.shift();
    this.#offsetMs = Math.max(...this.#samples);
  }

  serverTimeMs(localTimeMs: number): number {
    return localTimeMs + this.#offsetMs;
  }
}
