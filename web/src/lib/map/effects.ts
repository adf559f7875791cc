/** Short-lived marks over the map: someone claimed, I won, I lost. */
import type { Camera } from './camera';
import type { CellGeometry } from './geometry';
import { addCell } from './paint-tiles';
import type { Palette } from './palette';

export type EffectKind = 'claimed' | 'won' | 'lost';

interface Effect {
  readonly kind: EffectKind;
  readonly cell: number;
  readonly startMs: number;
  readonly text: string;
}

const LENGTH_MS: Record<EffectKind, number> = { claimed: 420, won: 1_500, lost: 900 };
/** Others' claims beyond this many at once go without a mark. */
const CLAIMED_MAX = 160;

export class Effects {
  #running: Effect[] = [];

  get active(): boolean {
    return this.#running.length > 0;
  }

  add(kind: EffectKind, cell: number, nowMs: number, text = ''): void {
    if (kind === 'claimed' && this.#running.length >= CLAIMED_MAX) return;
    this.#running.push({ kind, cell, startMs: nowMs, text });
  }

  clear(): void {
    this.#running = [];
  }

  paint(
    context: CanvasRenderingContext2D,
    geometry: CellGeometry,
    camera: Camera,
    palette: Palette,
    nowMs: number,
  ): void {
    this.#running = this.#running.filter(({ kind, startMs }) => nowMs - startMs < LENGTH_MS[kind]);
    const radius = geometry.cellRadius * camera.scale;
    for (const { kind, cell, startMs, text } of this.#running) {
      const progress = Math.max(0, (nowMs - startMs) / LENGTH_MS[kind]);
      const x = (geometry.centres[cell * 2] as number) * camera.scale + camera.x;
      const y = (geometry.centres[cell * 2 + 1] as number) * camera.scale + camera.y;
      const eased = 1 - (1 - progress) ** 3;
      context.save();
      context.globalAlpha = 1 - progress;
      if (kind === 'claimed') {
        context.beginPath();
        addCell(context, geometry, camera, cell, 0.9 + eased * 0.7, 0);
        context.strokeStyle = palette.free[1];
        context.lineWidth = 1.4;
        context.stroke();
      } else if (kind === 'won') {
        for (const [delay, reach] of [[0, 6], [0.12, 3.6]] as const) {
          const own = Math.max(0, Math.min(1, (eased - delay) / (1 - delay)));
          context.beginPath();
          addCell(context, geometry, camera, cell, 1 + own * Math.max(reach, 44 / Math.max(radius, 1)), 0);
          context.strokeStyle = palette.mine;
          context.lineWidth = 3.5 * (1 - own) + 0.6;
          context.stroke();
        }
        floatText(context, palette, text, x, y - radius - 10 - eased * 34, palette.mine);
      } else {
        const shake = Math.sin(progress * 26) * (1 - progress) * 4;
        const reach = Math.max(radius * 0.9, 8);
        context.beginPath();
        context.moveTo(x - reach + shake, y - reach);
        context.lineTo(x + reach + shake, y + reach);
        context.moveTo(x + reach + shake, y - reach);
        context.lineTo(x - reach + shake, y + reach);
        context.strokeStyle = palette.cursor;
        context.lineWidth = 3;
        context.stroke();
        floatText(context, palette, text, x, y - radius - 12, palette.cursor);
      }
      context.restore();
    }
  }
}

function floatText(
  context: CanvasRenderingContext2D,
  palette: Palette,
  text: string,
  x: number,
  y: number,
  colour: string,
): void {
  if (text === '') return;
  context.font = `800 22px ${palette.font}`;
  context.textAlign = 'center';
  context.textBaseline = 'bottom';
  context.lineJoin = 'round';
  context.strokeStyle = palette.sea;
  context.lineWidth = 5;
  context.strokeText(text, x, y);
  context.fillStyle = colour;
  context.fillText(text, x, y);
}
