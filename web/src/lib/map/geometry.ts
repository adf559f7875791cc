/**
 * The hunt's cells and outline on the plane, ready to be drawn: flat arrays in metres.
 *
 * The only module that knows H3. Computed once per configuration version.
 */
import { cellToBoundary } from 'h3-js';
import type { Cells, Coordinate, Outline } from 'huntcore-client';
import { projectionAround, type Projection } from './projection';

/** Cells between two breaths: the page keeps answering while a large area is laid out. */
const CELLS_PER_SLICE = 4_000;

export interface Box {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

export interface CellGeometry {
  readonly configVersion: number;
  readonly count: number;
  readonly names: readonly string[];
  readonly projection: Projection;
  /** x, y of each cell's middle. */
  readonly centres: Float32Array;
  /** Cell i has the vertices offsets[i] .. offsets[i + 1], counted in points. */
  readonly offsets: Uint32Array;
  readonly vertices: Float32Array;
  /** Rings of x, y, x, y …; outer and inner alike: fill by the even-odd rule. */
  readonly rings: readonly Float32Array[];
  readonly box: Box;
  /** Metres from a cell's middle to its corners, on average. */
  readonly cellRadius: number;
}

export async function cellGeometry(cells: Cells, outline: Outline): Promise<CellGeometry> {
  const names = cells.cells;
  const points = outline.flat(2);
  const projection = projectionAround(points.length > 0 ? points : corners(names));
  const centres = new Float32Array(names.length * 2);
  const offsets = new Uint32Array(names.length + 1);
  const vertices: number[] = [];
  let radii = 0;
  for (let index = 0; index < names.length; index += 1) {
    if (index > 0 && index % CELLS_PER_SLICE === 0) await nextTask();
    const boundary = cellToBoundary(names[index] as string, true);
    // As GeoJSON the ring is closed: the first corner comes again at the end.
    const cornersOfCell = boundary.length - 1;
    let sumX = 0;
    let sumY = 0;
    const start = vertices.length;
    for (let corner = 0; corner < cornersOfCell; corner += 1) {
      const [longitude, latitude] = boundary[corner] as [number, number];
      const x = projection.x(longitude);
      const y = projection.y(latitude);
      vertices.push(x, y);
      sumX += x;
      sumY += y;
    }
    const x = sumX / cornersOfCell;
    const y = sumY / cornersOfCell;
    centres[index * 2] = x;
    centres[index * 2 + 1] = y;
    offsets[index + 1] = vertices.length / 2;
    radii += Math.hypot((vertices[start] ?? x) - x, (vertices[start + 1] ?? y) - y);
  }
  const rings = outline.flat().map((ring) => project(ring, projection));
  return {
    configVersion: cells.configVersion,
    count: names.length,
    names,
    projection,
    centres,
    offsets,
    vertices: Float32Array.from(vertices),
    rings,
    box: boxOf([Float32Array.from(vertices), ...rings]),
    cellRadius: names.length === 0 ? 1 : radii / names.length,
  };
}

function project(ring: readonly Coordinate[], projection: Projection): Float32Array {
  return Float32Array.from(ring.flatMap(([longitude, latitude]) => [projection.x(longitude), projection.y(latitude)]));
}

function* corners(names: readonly string[]): Iterable<Coordinate> {
  for (const name of names) yield* cellToBoundary(name, true) as Coordinate[];
}

function boxOf(lines: readonly Float32Array[]): Box {
  let [left, top, right, bottom] = [Infinity, Infinity, -Infinity, -Infinity];
  for (const line of lines) {
    for (let index = 0; index + 1 < line.length; index += 2) {
      const x = line[index] as number;
      const y = line[index + 1] as number;
      left = Math.min(left, x);
      right = Math.max(right, x);
      top = Math.min(top, y);
      bottom = Math.max(bottom, y);
    }
  }
  return left > right ? { left: -1, top: -1, right: 1, bottom: 1 } : { left, top, right, bottom };
}

function nextTask(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve));
}
