/** The map's colours, from the page's custom properties, so that themes live in CSS alone. */
export interface Palette {
  readonly sea: string;
  readonly seaLine: string;
  readonly land: string;
  readonly cell: string;
  readonly cellLine: string;
  readonly coast: string;
  readonly graticule: string;
  readonly label: string;
  /** By tier, from common to precious. */
  readonly free: readonly [string, string, string, string];
  readonly freeSide: string;
  readonly freeInk: string;
  readonly glow: string;
  /** The same colour, wholly clear: fading to plain `transparent` would go through grey. */
  readonly glowEdge: string;
  readonly taken: string;
  readonly takenMark: string;
  readonly mine: string;
  readonly mineSide: string;
  readonly mineInk: string;
  readonly cursor: string;
  readonly font: string;
}

export function readPalette(element: Element): Palette {
  const style = getComputedStyle(element);
  const read = (name: string): string => style.getPropertyValue(`--map-${name}`).trim();
  return {
    sea: read('sea'),
    seaLine: read('sea-line'),
    land: read('land'),
    cell: read('cell'),
    cellLine: read('cell-line'),
    coast: read('coast'),
    graticule: read('graticule'),
    label: read('label'),
    free: [read('free-0'), read('free-1'), read('free-2'), read('free-3')],
    freeSide: read('free-side'),
    freeInk: read('free-ink'),
    glow: read('glow'),
    glowEdge: read('glow-edge'),
    taken: read('taken'),
    takenMark: read('taken-mark'),
    mine: read('mine'),
    mineSide: read('mine-side'),
    mineInk: read('mine-ink'),
    cursor: read('cursor'),
    font: style.getPropertyValue('--font-text').trim() || 'sans-serif',
  };
}
