/**
 * From degrees to metres on a plane around the area's middle (equirectangular).
 *
 * Good for what a hunt covers, parks to countries; it makes no promise near the poles.
 * Longitudes are taken the short way round, so an area across the antimeridian stays whole.
 */
import type { Coordinate } from 'huntcore-client';

const METRES_PER_DEGREE = 111_320;

export interface Projection {
  readonly longitude: number;
  readonly latitude: number;
  /** Metres east of the middle. */
  x(longitude: number): number;
  /** Metres south of the middle: down, as on a screen. */
  y(latitude: number): number;
  longitudeAt(x: number): number;
  latitudeAt(y: number): number;
}

export function projectionAround(points: Iterable<Coordinate>): Projection {
  let anchor: number | null = null;
  let west = Infinity;
  let east = -Infinity;
  let south = Infinity;
  let north = -Infinity;
  for (const [longitude, latitude] of points) {
    anchor ??= longitude;
    const near = anchor + shortWay(longitude - anchor);
    west = Math.min(west, near);
    east = Math.max(east, near);
    south = Math.min(south, latitude);
    north = Math.max(north, latitude);
  }
  const longitude = anchor === null ? 0 : (west + east) / 2;
  const latitude = anchor === null ? 0 : (south + north) / 2;
  const perDegreeEast = METRES_PER_DEGREE * Math.max(0.01, Math.cos((latitude * Math.PI) / 180));
  return {
    longitude,
    latitude,
    x: (value) => shortWay(value - longitude) * perDegreeEast,
    y: (value) => (latitude - value) * METRES_PER_DEGREE,
    longitudeAt: (x) => longitude + x / perDegreeEast,
    latitudeAt: (y) => latitude - y / METRES_PER_DEGREE,
  };
}

function shortWay(degrees: number): number {
  return degrees - 360 * Math.round(degrees / 360);
}
