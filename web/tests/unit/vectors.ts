/** The repository's own test vectors: what docs/fairness.md promises to everyone. */
import { readFileSync } from 'node:fs';

interface Vectors {
  readonly chains: readonly { readonly chain: number; readonly end: string; readonly anchor: string }[];
  readonly draws: readonly { readonly key: string; readonly bound: number; readonly numbers: readonly number[] }[];
  readonly cells: { readonly resolution: number; readonly cells: readonly string[]; readonly area: unknown };
  readonly configs: readonly {
    readonly version: number;
    readonly tiles: number;
    readonly values: readonly { readonly points: number; readonly weight: number }[];
  }[];
  readonly rounds: readonly {
    readonly round: number;
    readonly config_version: number;
    readonly seed: string;
    readonly commitment: string;
    readonly layout: string;
    readonly map: string;
    readonly tiles: readonly { readonly cell: string; readonly points: number }[];
  }[];
}

const path = new URL('../../../docs/fairness-vectors.json', import.meta.url);

export const vectors = JSON.parse(readFileSync(path, 'utf8')) as Vectors;
