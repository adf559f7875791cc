/**
 * A round's tiles, from the round's `layout` and the number of cells alone.
 *
 * Tile `i` is the cell at the returned index `i` of the hunt's sorted cell list. A partial
 * Fisher–Yates shuffle, exactly as docs/fairness.md specifies it.
 */
import { WordStream } from './chacha';

export function drawTiles(layout: Uint8Array, cellCount: number, tileCount: number): Uint32Array {
  if (tileCount > cellCount) {
    throw new RangeError(`${tileCount} tiles cannot be drawn from ${cellCount} cells`);
  }
  const words = new WordStream(layout);
  const indices = Uint32Array.from({ length: cellCount }, (_, index) => index);
  for (let i = 0; i < tileCount; i += 1) {
    const j = i + words.uniform(cellCount - i);
    const drawn = indices[j] as number;
    indices[j] = indices[i] as number;
    indices[i] = drawn;
  }
  return indices.slice(0, tileCount);
}
