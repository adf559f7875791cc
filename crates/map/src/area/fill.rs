//! Which H3 cells have their centres in polygons.
//!
//! Goes down H3's hierarchy from the 122 base cells. Where no edge comes near a cell, its
//! centre decides for all cells below it; where one does, the cells below decide each for
//! itself. So the result is exact, and the work grows with the cells found and the length
//! of the edges, not with the globe.

use h3o::{CellIndex, LatLng, Resolution};

use super::rings::{is_east, side};
use super::{Polygon, Vertex};
use crate::cells::Cell;

/// Centres of all cells below one are within this many of its radii. In the plane it is
/// 1.06 (each level is √7 finer and its centres are at most 0.66 radii of the level above
/// away); the rest is for the distortion of H3's projection.
const REACH: f64 = 1.4;

/// The cells in ascending order, or `None` if there are more than `cells_max`.
pub(super) fn cells(
    polygons: &[Polygon],
    resolution: Resolution,
    cells_max: usize,
) -> Option<Vec<Cell>> {
    let index = EdgeIndex::new(polygons);
    let mut fill = Fill {
        index: &index,
        resolution,
        cells_max,
        found: Vec::new(),
    };
    let all: Vec<u32> = (0..).take(index.edges.len()).collect();
    for cell in CellIndex::base_cells() {
        fill.descend(cell, &all)?;
    }
    let mut found = fill.found;
    found.sort_unstable();
    Some(found)
}

struct Fill<'index> {
    index: &'index EdgeIndex,
    resolution: Resolution,
    cells_max: usize,
    found: Vec<Cell>,
}

impl Fill<'_> {
    /// Adds the cells below `cell`; `edges` are those that come near its parent. `None` if
    /// there are too many.
    fn descend(&mut self, cell: CellIndex, edges: &[u32]) -> Option<()> {
        let reach = Reach::of(cell);
        let near: Vec<u32> = edges
            .iter()
            .copied()
            .filter(|&edge| reach.meets(&self.index.edges[edge as usize]))
            .collect();
        let below = match cell.resolution().succ() {
            Some(below) if cell.resolution() < self.resolution && !near.is_empty() => below,
            _ => {
                if self.index.contains(reach.center) {
                    self.add_all(cell)?;
                }
                return Some(());
            }
        };
        cell.children(below)
            .try_for_each(|child| self.descend(child, &near))
    }

    fn add_all(&mut self, cell: CellIndex) -> Option<()> {
        let count = usize::try_from(cell.children_count(self.resolution)).ok()?;
        if self.found.len().checked_add(count)? > self.cells_max {
            return None;
        }
        self.found
            .extend(cell.children(self.resolution).map(Cell::from_index));
        Some(())
    }
}

/// A rectangle in degrees that holds the centres of all cells below one.
struct Reach {
    center: Vertex,
    west: f64,
    east: f64,
    south: f64,
    north: f64,
}

impl Reach {
    fn of(cell: CellIndex) -> Self {
        let center = LatLng::from(cell);
        let radius = cell
            .boundary()
            .iter()
            .map(|&corner| center.distance_rads(corner))
            .fold(0.0, f64::max)
            * REACH;
        let (south, north) = (center.lat_radians() - radius, center.lat_radians() + radius);
        let (mut west, mut east) = (-180.0, 180.0);
        // A circle around a pole, or across the antimeridian, is given all longitudes.
        if south > -std::f64::consts::FRAC_PI_2 && north < std::f64::consts::FRAC_PI_2 {
            let width = (radius.sin() / center.lat_radians().cos())
                .min(1.0)
                .asin()
                .to_degrees();
            if center.lng() - width >= -180.0 && center.lng() + width <= 180.0 {
                (west, east) = (center.lng() - width, center.lng() + width);
            }
        }
        Self {
            center: Vertex {
                longitude: center.lng(),
                latitude: center.lat(),
            },
            west,
            east,
            south: south.to_degrees(),
            north: north.to_degrees(),
        }
    }

    /// Whether any part of the edge may be in the rectangle.
    fn meets(&self, edge: &Edge) -> bool {
        let (from, to) = (edge.from, edge.to);
        if from.longitude.max(to.longitude) < self.west
            || from.longitude.min(to.longitude) > self.east
            || from.latitude.max(to.latitude) < self.south
            || from.latitude.min(to.latitude) > self.north
        {
            return false;
        }
        // All corners on one side of the edge's line: it passes by.
        let corner = |longitude, latitude| {
            side(
                from,
                to,
                Vertex {
                    longitude,
                    latitude,
                },
            )
        };
        let first = corner(self.west, self.south);
        corner(self.west, self.north) != first
            || corner(self.east, self.south) != first
            || corner(self.east, self.north) != first
    }
}

struct Edge {
    polygon: u32,
    from: Vertex,
    to: Vertex,
}

/// Edges by latitude, to find quickly which ones a line due east can cross.
struct EdgeIndex {
    /// In the order of their polygons.
    edges: Vec<Edge>,
    south: f64,
    band_degrees: f64,
    /// Per band of latitude the edges in it, in the order of their polygons.
    bands: Vec<Vec<u32>>,
}

/// Bounds the index: at worst every edge is in every band.
const BANDS_MAX: usize = 256;

impl EdgeIndex {
    fn new(polygons: &[Polygon]) -> Self {
        let edges: Vec<Edge> = (0..)
            .zip(polygons)
            .flat_map(|(polygon, shape)| {
                let rings = shape.rings().flat_map(super::Ring::edges);
                rings.map(move |(from, to)| Edge { polygon, from, to })
            })
            .collect();
        let latitudes = || edges.iter().map(|edge| edge.from.latitude);
        let south = latitudes().fold(f64::INFINITY, f64::min);
        let north = latitudes().fold(f64::NEG_INFINITY, f64::max);
        let count = edges.len().clamp(1, BANDS_MAX);
        let mut index = Self {
            edges,
            south,
            #[expect(clippy::cast_precision_loss, reason = "at most BANDS_MAX")]
            band_degrees: (north - south) / count as f64,
            bands: vec![Vec::new(); count],
        };
        for (number, edge) in (0_u32..).zip(&index.edges) {
            let low = edge.from.latitude.min(edge.to.latitude);
            let high = edge.from.latitude.max(edge.to.latitude);
            for band in index.band(low)..=index.band(high) {
                index.bands[band].push(number);
            }
        }
        index
    }

    /// The band of a latitude; those outside belong to the outermost ones.
    fn band(&self, latitude: f64) -> usize {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a cast of a float saturates, and below 0 is band 0"
        )]
        let band = ((latitude - self.south) / self.band_degrees) as usize;
        band.min(self.bands.len() - 1)
    }

    /// Whether the place is in any polygon: an odd number of its edges is east of it.
    fn contains(&self, place: Vertex) -> bool {
        let band = &self.bands[self.band(place.latitude)];
        band.chunk_by(|&a, &b| self.edges[a as usize].polygon == self.edges[b as usize].polygon)
            .any(|polygon| {
                let crossed = polygon.iter().filter(|&&edge| {
                    let edge = &self.edges[edge as usize];
                    is_east(edge.from, edge.to, place)
                });
                crossed.count() % 2 == 1
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn centres_below_a_cell_are_within_its_reach() {
        // Every cell of resolutions 0 and 1, where distortion is worst, against all cells
        // three levels below it; all further levels together add less than a tenth.
        let mut largest = 0.0_f64;
        let mut parents: Vec<CellIndex> = CellIndex::base_cells().collect();
        for resolution in [Resolution::Zero, Resolution::One] {
            let below = Resolution::try_from(u8::from(resolution) + 3).expect("below 15");
            for &parent in &parents {
                let center = LatLng::from(parent);
                let boundary = parent.boundary();
                let corners = boundary.iter().map(|&corner| center.distance_rads(corner));
                let radius = corners.fold(0.0, f64::max);
                for child in parent.children(below) {
                    largest = largest.max(center.distance_rads(LatLng::from(child)) / radius);
                }
            }
            let below = resolution.succ().expect("below 15");
            parents = parents
                .iter()
                .flat_map(|parent| parent.children(below))
                .collect();
        }
        assert!(largest < REACH * 0.9, "{largest}");
        assert!(largest > 0.9, "{largest}");
    }
}
