/**
 * The chart below the tiles: sea with waterlines along the coast, land, every cell faintly,
 * graticule, scale bar and frame. Drawn into a layer of its own, and only when the view
 * changes.
 */
import type { Camera, Size } from './camera';
import type { CellGeometry } from './geometry';
import type { Palette } from './palette';
import { addCell } from './paint-tiles';

/** Distances in pixels of the waterlines from the coast, as old charts engrave them. */
const WATERLINES = [5, 12, 21, 32, 46, 63, 84];
const FRAME = 9;
/** Below this, cells are finer than the lines between them. */
const CELL_LINES_FROM = 1.6;
/** Below this size of the map, the frame and its labels would only be in the way. */
const FRAMED_FROM = 560;

export function framed(size: Size): boolean {
  return size.width >= FRAMED_FROM && size.height >= 420;
}

export function paintBase(
  context: CanvasRenderingContext2D,
  geometry: CellGeometry,
  camera: Camera,
  size: Size,
  palette: Palette,
  withScaleBar: boolean,
): void {
  context.fillStyle = palette.sea;
  context.fillRect(0, 0, size.width, size.height);
  const coast = coastPath(geometry, camera);
  context.lineJoin = 'round';
  for (const [index, distance] of [...WATERLINES.entries()].reverse()) {
    // A line at a distance: a broad stroke, and one of the sea's colour over its middle.
    context.globalAlpha = 1 - index / WATERLINES.length;
    context.strokeStyle = palette.seaLine;
    context.lineWidth = distance * 2 + 1.1;
    context.stroke(coast);
    context.globalAlpha = 1;
    context.strokeStyle = palette.sea;
    context.lineWidth = distance * 2 - 1.1;
    context.stroke(coast);
  }
  paintGraticule(context, geometry, camera, size, palette);
  context.fillStyle = palette.land;
  context.fill(coast, 'evenodd');
  if (geometry.cellRadius * camera.scale >= CELL_LINES_FROM) paintCells(context, geometry, camera, size, palette);
  context.strokeStyle = palette.coast;
  context.lineWidth = 1.6;
  context.stroke(coast);
  if (framed(size)) {
    paintFrame(context, geometry, camera, size, palette);
    if (withScaleBar) paintScaleBar(context, camera, size, palette);
  }
}

function coastPath(geometry: CellGeometry, camera: Camera): Path2D {
  const path = new Path2D();
  for (const ring of geometry.rings) {
    for (let index = 0; index + 1 < ring.length; index += 2) {
      const x = (ring[index] as number) * camera.scale + camera.x;
      const y = (ring[index + 1] as number) * camera.scale + camera.y;
      if (index === 0) path.moveTo(x, y);
      else path.lineTo(x, y);
    }
    path.closePath();
  }
  return path;
}

function paintCells(
  context: CanvasRenderingContext2D,
  geometry: CellGeometry,
  camera: Camera,
  size: Size,
  palette: Palette,
): void {
  const margin = geometry.cellRadius * camera.scale * 2;
  context.beginPath();
  for (let cell = 0; cell < geometry.count; cell += 1) {
    const x = (geometry.centres[cell * 2] as number) * camera.scale + camera.x;
    const y = (geometry.centres[cell * 2 + 1] as number) * camera.scale + camera.y;
    if (x < -margin || y < -margin || x > size.width + margin || y > size.height + margin) continue;
    addCell(context, geometry, camera, cell, 1, 0);
  }
  context.fillStyle = palette.cell;
  context.fill();
  context.strokeStyle = palette.cellLine;
  context.lineWidth = geometry.cellRadius * camera.scale < 4 ? 0.6 : 1;
  context.stroke();
}

/** Steps of latitude and longitude that a reader can count in, in degrees. */
const STEPS = [1, 2, 3, 6, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200, 18_000, 36_000].map(
  (seconds) => seconds / 3600,
);

interface Graticule {
  readonly step: number;
  /** Degree and pixel of each line that crosses the view. */
  readonly meridians: readonly (readonly [number, number])[];
  readonly parallels: readonly (readonly [number, number])[];
}

function graticule(geometry: CellGeometry, camera: Camera, size: Size): Graticule {
  const { projection } = geometry;
  const west = projection.longitudeAt(-camera.x / camera.scale);
  const east = projection.longitudeAt((size.width - camera.x) / camera.scale);
  const north = projection.latitudeAt(-camera.y / camera.scale);
  const south = projection.latitudeAt((size.height - camera.y) / camera.scale);
  const wanted = (east - west) / Math.max(2, size.width / 190);
  const step = STEPS.find((candidate) => candidate >= wanted) ?? 10;
  const perDegreeX = size.width / (east - west);
  const perDegreeY = size.height / (north - south);
  return {
    step,
    meridians: multiples(west, east, step).map((degree) => [degree, (degree - west) * perDegreeX]),
    parallels: multiples(south, north, step).map((degree) => [degree, (north - degree) * perDegreeY]),
  };
}

function multiples(from: number, to: number, step: number): number[] {
  const first = Math.floor(from / step);
  const count = Math.min(400, Math.ceil(to / step) - first);
  return Array.from({ length: count + 1 }, (_, index) => (first + index) * step);
}

function paintGraticule(
  context: CanvasRenderingContext2D,
  geometry: CellGeometry,
  camera: Camera,
  size: Size,
  palette: Palette,
): void {
  if (!framed(size)) return;
  const { meridians, parallels } = graticule(geometry, camera, size);
  context.beginPath();
  for (const [, x] of meridians) {
    context.moveTo(Math.round(x) + 0.5, 0);
    context.lineTo(Math.round(x) + 0.5, size.height);
  }
  for (const [, y] of parallels) {
    context.moveTo(0, Math.round(y) + 0.5);
    context.lineTo(size.width, Math.round(y) + 0.5);
  }
  context.strokeStyle = palette.graticule;
  context.lineWidth = 1;
  context.stroke();
}

/** The black-and-white border of a chart, its bars one step of the graticule long. */
function paintFrame(
  context: CanvasRenderingContext2D,
  geometry: CellGeometry,
  camera: Camera,
  size: Size,
  palette: Palette,
): void {
  const { step, meridians, parallels } = graticule(geometry, camera, size);
  const { width, height } = size;
  context.fillStyle = palette.sea;
  context.fillRect(0, 0, width, FRAME);
  context.fillRect(0, height - FRAME, width, FRAME);
  context.fillRect(0, 0, FRAME, height);
  context.fillRect(width - FRAME, 0, FRAME, height);
  context.fillStyle = palette.label;
  const bar = FRAME - 5;
  const inner = FRAME - 3 - bar / 2;
  for (const [index, [degree, x]] of meridians.entries()) {
    const next = meridians[index + 1]?.[1];
    if (next === undefined || Math.round(degree / step) % 2 !== 0) continue;
    const from = Math.max(x, FRAME);
    const to = Math.min(next, width - FRAME);
    if (to <= from) continue;
    context.fillRect(from, inner - bar / 2, to - from, bar);
    context.fillRect(from, height - inner - bar / 2, to - from, bar);
  }
  for (const [index, [degree, y]] of parallels.entries()) {
    const next = parallels[index + 1]?.[1];
    if (next === undefined || Math.round(degree / step) % 2 !== 0) continue;
    const from = Math.max(next, FRAME);
    const to = Math.min(y, height - FRAME);
    if (to <= from) continue;
    context.fillRect(inner - bar / 2, from, bar, to - from);
    context.fillRect(width - inner - bar / 2, from, bar, to - from);
  }
  context.strokeStyle = palette.label;
  context.lineWidth = 1;
  context.strokeRect(1.5, 1.5, width - 3, height - 3);
  context.strokeRect(FRAME - 0.5, FRAME - 0.5, width - 2 * FRAME + 1, height - 2 * FRAME + 1);
  context.font = `500 10px ${palette.font}`;
  context.textAlign = 'center';
  context.textBaseline = 'bottom';
  for (const [degree, x] of meridians) {
    if (x < 60 || x > width - 60) continue;
    context.fillText(label(degree, step, 'E', 'W'), x, height - FRAME - 3);
  }
  context.textAlign = 'right';
  context.textBaseline = 'middle';
  for (const [degree, y] of parallels) {
    if (y < 90 || y > height - 60) continue;
    context.fillText(label(degree, step, 'N', 'S'), width - FRAME - 4, y);
  }
}

function label(degree: number, step: number, positive: string, negative: string): string {
  const seconds = Math.round(Math.abs(degree) * 3600);
  const whole = Math.floor(seconds / 3600);
  const minutes = Math.floor((seconds % 3600) / 60);
  const rest = seconds % 60;
  const two = (value: number): string => String(value).padStart(2, '0');
  const fine = step < 1 / 60 - 1e-9 ? `${two(rest)}″` : '';
  const side = degree < 0 ? negative : positive;
  return step >= 1 - 1e-9 ? `${whole}°${side}` : `${whole}°${two(minutes)}′${fine}${side}`;
}

const BAR_LENGTHS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5, 2e5, 5e5, 1e6];

function paintScaleBar(
  context: CanvasRenderingContext2D,
  camera: Camera,
  size: Size,
  palette: Palette,
): void {
  const metres = BAR_LENGTHS.findLast((length) => length * camera.scale <= 150) ?? 1;
  const length = metres * camera.scale;
  const left = FRAME + 18;
  const top = size.height - FRAME - 34;
  const half = length / 2;
  context.fillStyle = palette.label;
  context.strokeStyle = palette.label;
  context.lineWidth = 1;
  context.fillRect(left, top, half, 4);
  context.strokeRect(left + 0.5, top + 0.5, length - 1, 4);
  context.font = `500 10px ${palette.font}`;
  context.textBaseline = 'bottom';
  context.textAlign = 'left';
  context.fillText('0', left, top - 3);
  context.textAlign = 'right';
  context.fillText(metres >= 1000 ? `${metres / 1000} km` : `${metres} m`, left + length, top - 3);
}
