/**
 * The map on its canvases: layers, camera, animation. Knows nothing of the hunt's rules or
 * the page; it is told what to show and answers what lies where.
 *
 * Three canvases, one above the other, that the browser puts together: the chart, drawn
 * when the view changes; the tiles, drawn when one changes; and marks that move. When
 * nothing moves, no frame is drawn.
 */
import { fit, pan, zoomAbout, type Camera, type Insets, type Size } from './camera';
import { Effects, type EffectKind } from './effects';
import type { CellGeometry } from './geometry';
import { nearestTile, tileTowards } from './locate';
import { paintBase } from './paint-base';
import { addCell, paintTiles, type TileLook } from './paint-tiles';
import type { Palette } from './palette';
import { FREE } from './tile-state';

const RISE_MS = 260;
/** From the first tile that rises to the last: a wave over the map. */
const WAVE_MS = 300;
const PIXEL_RATIO_MAX = 2;
/** A chart that takes longer than this to draw is not redrawn while it moves. */
const BASE_BUDGET_MS = 9;

export interface Canvases {
  readonly base: HTMLCanvasElement;
  readonly tiles: HTMLCanvasElement;
  readonly marks: HTMLCanvasElement;
}

export interface ViewOptions {
  /** Nothing rises, nothing shakes, nothing floats. */
  readonly still: boolean;
  readonly scaleBar: boolean;
}

export class MapView {
  /** Told after each change of the view, so that overlays can follow. */
  onMove: () => void = () => {};

  readonly #base: Layer;
  readonly #tiles: Layer;
  readonly #marks: Layer;
  readonly #effects = new Effects();
  #palette: Palette;
  readonly #withScaleBar: boolean;
  #still: boolean;
  #size: Size = { width: 1, height: 1 };
  #ratio = 1;
  #insets: Insets = { top: 0, right: 0, bottom: 0, left: 0 };
  #geometry: CellGeometry | null = null;
  #look: TileLook | null = null;
  /** The round before, on display until the wave has passed over it. */
  #before: TileLook | null = null;
  #fitted: Camera = { scale: 1, x: 0, y: 0 };
  #camera: Camera = this.#fitted;
  #baseCamera: Camera = this.#fitted;
  #baseStale = true;
  #baseCostMs = 0;
  #tilesStale = true;
  #moving = false;
  #riseStartMs = -Infinity;
  #cursor: number | null = null;
  #hover: number | null = null;
  #frame = 0;

  constructor(canvases: Canvases, palette: Palette, options: ViewOptions) {
    this.#base = layer(canvases.base);
    this.#tiles = layer(canvases.tiles);
    this.#marks = layer(canvases.marks);
    this.#palette = palette;
    this.#still = options.still;
    this.#withScaleBar = options.scaleBar;
  }

  destroy(): void {
    cancelAnimationFrame(this.#frame);
    this.#frame = -1;
  }

  setPalette(palette: Palette): void {
    this.#palette = palette;
    this.#invalidate();
  }

  /** Still: nothing rises, nothing shakes, nothing floats. */
  setStill(still: boolean): void {
    this.#still = still;
    if (still) this.#effects.clear();
  }

  resize(size: Size, insets: Insets, pixelRatio: number): void {
    this.#size = size;
    this.#insets = insets;
    this.#ratio = Math.min(pixelRatio, PIXEL_RATIO_MAX);
    for (const { canvas } of [this.#base, this.#tiles, this.#marks]) {
      canvas.width = Math.max(1, Math.round(size.width * this.#ratio));
      canvas.height = Math.max(1, Math.round(size.height * this.#ratio));
    }
    this.#refit();
    this.#invalidate();
    // A resized canvas is blank until it is painted; do not wait a frame for it.
    this.#paint(performance.now());
  }

  setGeometry(geometry: CellGeometry): void {
    if (geometry === this.#geometry) return;
    this.#geometry = geometry;
    this.#look = null;
    this.#before = null;
    this.#cursor = null;
    this.#hover = null;
    this.#effects.clear();
    this.#refit();
  }

  /** Another round: its tiles rise. */
  setRound(look: TileLook): void {
    this.#before = this.#look;
    this.#look = look;
    this.#hover = null;
    this.#tilesStale = true;
    this.#riseStartMs = performance.now();
    this.#request();
  }

  /** The same round, with tiles that stand otherwise than before. */
  setTiles(look: TileLook | null): void {
    this.#look = look;
    this.#tilesStale = true;
    this.#request();
  }

  effect(kind: EffectKind, cell: number, text = ''): void {
    if (this.#still) return;
    this.#effects.add(kind, cell, performance.now(), text);
    this.#request();
  }

  // --- The camera ---------------------------------------------------------------------

  get zoomed(): boolean {
    return this.#camera.scale > this.#fitted.scale * 1.001;
  }

  zoom(factor: number, x = this.#size.width / 2, y = this.#size.height / 2): void {
    this.#move(zoomAbout(this.#camera, factor, x, y, this.#fitted));
  }

  pan(dx: number, dy: number): void {
    if (this.#geometry === null || !this.zoomed) return;
    this.#move(pan(this.#camera, dx, dy, this.#geometry.box, this.#size));
  }

  reset(): void {
    this.#move(this.#fitted);
    this.settle();
  }

  /** The gesture is over: draw sharply what was only stretched. */
  settle(): void {
    this.#moving = false;
    if (this.#baseCamera !== this.#camera) this.#baseStale = true;
    this.#request();
  }

  // --- Places -------------------------------------------------------------------------

  /** The nearest free tile within reach, or the one right below the point whatever its state. */
  tileAt(x: number, y: number, reachPx: number): number | null {
    const { geometry, look } = this.#shown();
    if (geometry === null || look === null) return null;
    const px = (x - this.#camera.x) / this.#camera.scale;
    const py = (y - this.#camera.y) / this.#camera.scale;
    const exact = nearestTile(geometry, look.cells, px, py, () => true);
    if (exact !== null && exact.distance <= geometry.cellRadius * 0.95) return exact.tile;
    const free = nearestTile(geometry, look.cells, px, py, (tile) => look.states[tile] === FREE);
    return free !== null && free.distance * this.#camera.scale <= reachPx ? free.tile : null;
  }

  /** Whichever cell, of the round or not, lies below the point. */
  cellAt(x: number, y: number): number | null {
    const geometry = this.#geometry;
    if (geometry === null) return null;
    const px = (x - this.#camera.x) / this.#camera.scale;
    const py = (y - this.#camera.y) / this.#camera.scale;
    const limit = (geometry.cellRadius * 0.95) ** 2;
    for (let cell = 0; cell < geometry.count; cell += 1) {
      const dx = (geometry.centres[cell * 2] as number) - px;
      const dy = (geometry.centres[cell * 2 + 1] as number) - py;
      if (dx * dx + dy * dy <= limit) return cell;
    }
    return null;
  }

  screenOf(cell: number): { readonly x: number; readonly y: number } | null {
    const geometry = this.#geometry;
    if (geometry === null || cell >= geometry.count) return null;
    return {
      x: (geometry.centres[cell * 2] as number) * this.#camera.scale + this.#camera.x,
      y: (geometry.centres[cell * 2 + 1] as number) * this.#camera.scale + this.#camera.y,
    };
  }

  get cursorTile(): number | null {
    const { geometry, look } = this.#shown();
    if (geometry === null || look === null || this.#cursor === null) return null;
    const x = geometry.centres[this.#cursor * 2] as number;
    const y = geometry.centres[this.#cursor * 2 + 1] as number;
    return nearestTile(geometry, look.cells, x, y, () => true)?.tile ?? null;
  }

  /** Moves the keyboard's cursor; where there is none yet, puts it in the middle. */
  moveCursor(dx: number, dy: number): number | null {
    const { geometry, look } = this.#shown();
    if (geometry === null || look === null) return null;
    const { box } = geometry;
    const current = this.cursorTile;
    // What is taken is not worth a stop.
    const free = (tile: number): boolean => look.states[tile] === FREE;
    const next =
      current === null
        ? nearestTile(geometry, look.cells, (box.left + box.right) / 2, (box.top + box.bottom) / 2, free)?.tile
        : (tileTowards(geometry, look.cells, current, dx, dy, free) ?? current);
    if (next === undefined) return null;
    this.#cursor = look.cells[next] ?? null;
    this.#keepInView();
    this.#request();
    return next;
  }

  hideCursor(): void {
    this.#cursor = null;
    this.#request();
  }

  setHover(tile: number | null): void {
    const cell = tile === null ? null : (this.#look?.cells[tile] ?? null);
    if (cell === this.#hover) return;
    this.#hover = cell;
    this.#request();
  }

  // --- Painting -----------------------------------------------------------------------

  #shown(): { readonly geometry: CellGeometry | null; readonly look: TileLook | null } {
    return { geometry: this.#geometry, look: this.#look };
  }

  #refit(): void {
    if (this.#geometry === null) return;
    const wasZoomed = this.zoomed;
    this.#fitted = fit(this.#geometry.box, this.#size, this.#insets);
    if (!wasZoomed || this.#camera.scale < this.#fitted.scale) this.#camera = this.#fitted;
    this.#invalidate();
    this.onMove();
  }

  #move(camera: Camera): void {
    if (camera === this.#camera) return;
    this.#camera = camera;
    this.#moving = true;
    this.#tilesStale = true;
    if (this.#baseCostMs <= BASE_BUDGET_MS) this.#baseStale = true;
    this.#request();
    this.onMove();
  }

  #keepInView(): void {
    const at = this.#cursor === null ? null : this.screenOf(this.#cursor);
    if (at === null || !this.zoomed) return;
    const margin = 60;
    const dx = Math.max(margin - at.x, 0) - Math.max(at.x - (this.#size.width - margin), 0);
    const dy = Math.max(margin - at.y, 0) - Math.max(at.y - (this.#size.height - margin), 0);
    if (dx === 0 && dy === 0) return;
    this.pan(dx, dy);
    this.settle();
  }

  #invalidate(): void {
    this.#baseStale = true;
    this.#tilesStale = true;
    this.#request();
  }

  #request(): void {
    if (this.#frame !== 0) return;
    this.#frame = requestAnimationFrame((nowMs) => {
      this.#frame = 0;
      this.#paint(nowMs);
    });
  }

  #paint(nowMs: number): void {
    const geometry = this.#geometry;
    if (geometry === null) return;
    if (this.#baseStale) this.#paintBaseLayer(geometry);
    this.#placeBase();
    const rising = !this.#still && nowMs - this.#riseStartMs < RISE_MS + WAVE_MS;
    if (this.#tilesStale || rising) this.#paintTileLayer(geometry, rising ? nowMs : null);
    this.#paintMarks(geometry, nowMs);
    // One more frame after the last one that moves, to paint the resting state.
    if (rising || this.#effects.active) {
      this.#tilesStale ||= rising;
      this.#request();
    }
  }

  #paintBaseLayer(geometry: CellGeometry): void {
    const { context } = this.#base;
    const startMs = performance.now();
    context.setTransform(this.#ratio, 0, 0, this.#ratio, 0, 0);
    paintBase(context, geometry, this.#camera, this.#size, this.#palette, this.#withScaleBar);
    this.#baseCostMs = performance.now() - startMs;
    this.#baseCamera = this.#camera;
    this.#baseStale = false;
  }

  /** While a costly chart moves, its last picture is shifted and stretched. */
  #placeBase(): void {
    const from = this.#baseCamera;
    const to = this.#camera;
    const { style } = this.#base.canvas;
    if (from === to || !this.#moving) {
      style.transform = '';
      return;
    }
    const ratio = to.scale / from.scale;
    style.transform = `matrix(${ratio}, 0, 0, ${ratio}, ${to.x - from.x * ratio}, ${to.y - from.y * ratio})`;
  }

  #paintMarks(geometry: CellGeometry, nowMs: number): void {
    const { context } = this.#marks;
    clear(this.#marks, this.#ratio);
    this.#effects.paint(context, geometry, this.#camera, this.#palette, nowMs);
    this.#paintMarker(context, geometry, this.#hover, 2);
    const cursor = this.cursorTile;
    if (cursor !== null) this.#paintMarker(context, geometry, this.#look?.cells[cursor] ?? null, 3.5);
  }

  #paintTileLayer(geometry: CellGeometry, risingAtMs: number | null): void {
    const { context } = this.#tiles;
    clear(this.#tiles, this.#ratio);
    this.#tilesStale = false;
    const look = this.#look;
    if (look === null) return;
    const paint = (one: TileLook, risen: ((tile: number) => number) | null): void =>
      paintTiles(context, geometry, this.#camera, this.#size, this.#palette, one, risen);
    if (risingAtMs === null) {
      this.#before = null;
      paint(look, null);
      return;
    }
    if (this.#before !== null) {
      const passed = this.#wave(geometry, this.#before, risingAtMs);
      paint(this.#before, (tile) => Math.min(1, Math.max(0, 1 - 2 * passed(tile))));
    }
    const passed = this.#wave(geometry, look, risingAtMs);
    paint(look, (tile) => {
      const progress = passed(tile);
      return progress <= 0 ? 0 : progress >= 1 ? 1 : overshoot(progress);
    });
  }

  /** How far the wave, which runs out from the middle of the area, has passed over a tile. */
  #wave(geometry: CellGeometry, look: TileLook, nowMs: number): (tile: number) => number {
    const { box, centres } = geometry;
    const middleX = (box.left + box.right) / 2;
    const middleY = (box.top + box.bottom) / 2;
    const reach = Math.hypot(box.right - box.left, box.bottom - box.top) / 2;
    const elapsed = nowMs - this.#riseStartMs;
    return (tile) => {
      const cell = look.cells[tile] as number;
      const away = Math.hypot((centres[cell * 2] as number) - middleX, (centres[cell * 2 + 1] as number) - middleY);
      return (elapsed - (away / reach) * WAVE_MS) / RISE_MS;
    };
  }

  #paintMarker(
    context: CanvasRenderingContext2D,
    geometry: CellGeometry,
    cell: number | null,
    width: number,
  ): void {
    if (cell === null) return;
    const radius = geometry.cellRadius * this.#camera.scale;
    const grow = Math.max(1.35, (radius + 5) / radius);
    context.beginPath();
    addCell(context, geometry, this.#camera, cell, grow, 0);
    context.lineJoin = 'round';
    context.strokeStyle = this.#palette.sea;
    context.lineWidth = width + 3;
    context.stroke();
    context.strokeStyle = this.#palette.cursor;
    context.lineWidth = width;
    context.stroke();
  }
}

/** Ease out, a little past the end and back. */
function overshoot(progress: number): number {
  const rest = progress - 1;
  return 1 + 2.2 * rest ** 3 + 1.2 * rest ** 2;
}

interface Layer {
  readonly canvas: HTMLCanvasElement;
  readonly context: CanvasRenderingContext2D;
}

function layer(canvas: HTMLCanvasElement): Layer {
  const context = canvas.getContext('2d');
  if (context === null) throw new Error('this browser has no 2D canvas');
  return { canvas, context };
}

function clear({ canvas, context }: Layer, ratio: number): void {
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.clearRect(0, 0, canvas.width, canvas.height);
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
}
