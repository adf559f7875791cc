/** Where the plane lies on the screen: fit, zoom about a point, pan. Pure. */
import type { Box } from './geometry';

export interface Size {
  readonly width: number;
  readonly height: number;
}

export interface Insets {
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
  readonly left: number;
}

/** screen = plane * scale + (x, y) */
export interface Camera {
  readonly scale: number;
  readonly x: number;
  readonly y: number;
}

export const ZOOM_MAX = 24;

export function fit(box: Box, size: Size, insets: Insets): Camera {
  const width = Math.max(1, size.width - insets.left - insets.right);
  const height = Math.max(1, size.height - insets.top - insets.bottom);
  const scale = Math.min(width / (box.right - box.left), height / (box.bottom - box.top));
  return {
    scale,
    x: insets.left + width / 2 - ((box.left + box.right) / 2) * scale,
    y: insets.top + height / 2 - ((box.top + box.bottom) / 2) * scale,
  };
}

/** Keeps the plane's point under (x, y) where it is. */
export function zoomAbout(camera: Camera, factor: number, x: number, y: number, fitted: Camera): Camera {
  const scale = Math.min(Math.max(camera.scale * factor, fitted.scale), fitted.scale * ZOOM_MAX);
  if (scale === fitted.scale) return fitted;
  const ratio = scale / camera.scale;
  return { scale, x: x - (x - camera.x) * ratio, y: y - (y - camera.y) * ratio };
}

/** Moves, but never so far that the area leaves the middle of the screen. */
export function pan(camera: Camera, dx: number, dy: number, box: Box, size: Size): Camera {
  const { scale } = camera;
  return {
    scale,
    x: clamp(camera.x + dx, size.width / 2 - box.right * scale, size.width / 2 - box.left * scale),
    y: clamp(camera.y + dy, size.height / 2 - box.bottom * scale, size.height / 2 - box.top * scale),
  };
}

function clamp(value: number, low: number, high: number): number {
  return Math.min(Math.max(value, low), high);
}
