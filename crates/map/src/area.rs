//! A hunt's ground: polygons with holes on the map of longitude and latitude.
//!
//! `GeoJSON` comes in, checked so strictly that what is inside is never in doubt; the H3
//! cells whose centres are inside come out. Edges are straight lines in longitude and
//! latitude, as RFC 7946 says, not arcs of the globe.
//!
//! Polygons may touch or overlap each other: a place is in the area if it is in any of them.
//! The rings of one polygon may not even touch. Nothing here repairs an area, and nothing
//! crosses the antimeridian: an area that does has to be cut along it.

mod fault;
mod fill;
mod geojson;
mod outline;
mod rings;

use huntcore_model::Hash32;
use sha2::{Digest, Sha256};

use crate::cells::{CELLS_MAX, CellList};

pub use fault::{AreaError, AreaFault};

/// The most vertices that an area may have in all its rings together.
pub const VERTICES_MAX: usize = 10_000;

/// One or more polygons that have passed every check, in canonical order.
#[derive(Clone, Debug, PartialEq)]
pub struct Area {
    polygons: Vec<Polygon>,
}

/// An outline and the holes in it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Polygon {
    outline: Ring,
    holes: Vec<Ring>,
}

/// A closed line; the closing vertex is not repeated, no vertex follows itself.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Ring {
    vertices: Vec<Vertex>,
}

/// A place in degrees.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Vertex {
    pub(crate) longitude: f64,
    pub(crate) latitude: f64,
}

impl Area {
    /// Reads a `GeoJSON` text; see [`Self::from_value`].
    pub fn parse(text: &str) -> Result<Self, AreaError> {
        match serde_json::from_str(text) {
            Ok(document) => Self::from_value(&document),
            Err(error) => Err(AreaFault::NotJson {
                reason: error.to_string(),
            }
            .at(String::new())),
        }
    }

    /// Reads a `GeoJSON` document: a Polygon, a `MultiPolygon`, or `GeometryCollections`,
    /// Features and `FeatureCollections` of them, all merged into one area.
    ///
    /// A geometry that is not polygonal is refused rather than left out. Heights, properties,
    /// bounding boxes and foreign members are ignored.
    pub fn from_value(document: &serde_json::Value) -> Result<Self, AreaError> {
        let drafts = geojson::read(document)?;
        let polygons = drafts
            .into_iter()
            .map(rings::check)
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            polygons: outline::canonical(polygons),
        })
    }

    /// The H3 cells at `resolution` whose centres are inside.
    ///
    /// Refuses an area that is plainly too large before it looks for cells, and any other one
    /// as soon as it has found too many. Takes milliseconds for a park and a tenth of a second
    /// for a coast; one made to be slow, with all its vertices near every cell, takes some
    /// seconds, so an asynchronous caller leaves it to another thread.
    pub fn cells(&self, resolution: u8) -> Result<CellList, AreaError> {
        let Ok(h3_resolution) = h3o::Resolution::try_from(resolution) else {
            return Err(AreaFault::Resolution { resolution }.at(String::new()));
        };
        let cell_m2 = h3_resolution.area_m2();
        // The whole is at least as large as its largest polygon, and no cell is twice as
        // large as the average: half this estimate is a sure lower bound.
        let largest_m2 = self
            .polygons
            .iter()
            .map(Polygon::area_m2)
            .fold(0.0, f64::max);
        let too_many = AreaFault::TooManyCells {
            resolution,
            estimate: estimate(self.area_m2(), cell_m2),
        };
        if largest_m2 / cell_m2 / 2.0 > f64::from(CELLS_MAX) {
            return Err(too_many.at(String::new()));
        }
        match fill::cells(&self.polygons, h3_resolution, CELLS_MAX as usize) {
            None => Err(too_many.at(String::new())),
            Some(cells) if cells.is_empty() => {
                let area_m2 = self.area_m2();
                Err(AreaFault::NoCell {
                    resolution,
                    area_m2,
                    cell_m2,
                }
                .at(String::new()))
            }
            Some(cells) => Ok(CellList::from_sorted(cells, resolution)),
        }
    }

    /// The area as a `GeoJSON` geometry: a Polygon if it is one, else a `MultiPolygon`.
    ///
    /// Canonical: outlines run counter-clockwise and holes clockwise, every ring starts at
    /// its western-most vertex, polygons and holes are in order of their starts. Reading it
    /// again gives the same area.
    #[must_use]
    pub fn outline(&self) -> serde_json::Value {
        outline::geometry(&self.polygons)
    }

    /// SHA-256 of [`Self::outline`]'s compact text.
    #[must_use]
    pub fn hash(&self) -> Hash32 {
        Hash32::new(Sha256::digest(self.outline().to_string()).into())
    }

    /// The size of its polygons together, on the sphere that H3 uses.
    #[must_use]
    pub fn area_m2(&self) -> f64 {
        self.polygons.iter().map(Polygon::area_m2).sum()
    }
}

impl Polygon {
    /// The outline, then the holes.
    fn rings(&self) -> impl Iterator<Item = &Ring> {
        std::iter::once(&self.outline).chain(&self.holes)
    }

    fn area_m2(&self) -> f64 {
        let holes: f64 = self.holes.iter().map(|hole| hole.area_m2().abs()).sum();
        self.outline.area_m2().abs() - holes
    }
}

impl Ring {
    /// Each edge as its two ends.
    fn edges(&self) -> impl Iterator<Item = (Vertex, Vertex)> {
        let next = self.vertices.iter().cycle().skip(1);
        self.vertices.iter().copied().zip(next.copied())
    }

    /// Its size on the sphere, positive if it runs counter-clockwise.
    fn area_m2(&self) -> f64 {
        /// H3's sphere has the surface of the WGS 84 ellipsoid.
        const EARTH_RADIUS_M: f64 = 6_371_007.180_918_475;
        let swept: f64 = self
            .edges()
            .map(|(from, to)| {
                let (low, high) = (from.latitude.to_radians(), to.latitude.to_radians());
                // The mean sine of latitude along a line that is straight in degrees; the
                // quotient loses all digits where the line runs nearly east or west.
                let mean_sine = if (high - low).abs() < 1e-9 {
                    f64::midpoint(low, high).sin()
                } else {
                    (low.cos() - high.cos()) / (high - low)
                };
                -(to.longitude - from.longitude).to_radians() * mean_sine
            })
            .sum();
        swept * EARTH_RADIUS_M * EARTH_RADIUS_M
    }
}

impl Vertex {
    const fn degrees(self) -> [f64; 2] {
        [self.longitude, self.latitude]
    }

    const fn coordinate(self) -> geo::Coord {
        geo::Coord {
            x: self.longitude,
            y: self.latitude,
        }
    }
}

fn estimate(area_m2: f64, cell_m2: f64) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rounded, positive estimate, at most the earth's 1e15 cells"
    )]
    let cells = (area_m2 / cell_m2).round() as u64;
    // The limit was passed for certain, whatever the average cell says.
    cells.max(u64::from(CELLS_MAX) + 1)
}
