//! Everything that can be wrong with an area.

use std::fmt;

use super::VERTICES_MAX;
use crate::cells::CELLS_MAX;

/// Why an area cannot be used, and the place in its document where that shows.
#[derive(Clone, Debug, PartialEq)]
pub struct AreaError {
    /// A path such as `features[2].geometry.coordinates[0][7]`; empty for the document itself.
    pub at: String,
    /// What is wrong there.
    pub fault: AreaFault,
}

/// What is wrong with an area.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum AreaFault {
    /// Not JSON at all.
    #[error("not JSON: {reason}")]
    NotJson {
        /// What the JSON parser says, with line and column.
        reason: String,
    },
    /// JSON, but not of `GeoJSON`'s form.
    #[error("expected {expected}, found {found}")]
    NotGeoJson {
        /// What `GeoJSON` has here.
        expected: &'static str,
        /// What stands here.
        found: String,
    },
    /// A geometry without an inside.
    #[error("a {found} has no inside, expected Polygon or MultiPolygon")]
    NotPolygonal {
        /// The geometry's type.
        found: &'static str,
    },
    /// Nothing that has an inside.
    #[error("no polygon in it")]
    NoPolygon,
    /// More than [`VERTICES_MAX`] vertices.
    #[error("the area has more than {VERTICES_MAX} vertices, simplify it")]
    TooManyVertices,
    /// Beyond the ends of the map.
    #[error(
        "{axis} {degrees} is out of range, expected -{limit} to {limit}{}",
        out_of_range_hint(axis, *degrees)
    )]
    OutOfRange {
        /// `longitude` or `latitude`.
        axis: &'static str,
        /// What was given.
        degrees: f64,
        /// The largest one allowed.
        limit: f64,
    },
    /// A ring of fewer than four positions, or of fewer than three different ones.
    #[error(
        "the ring has {positions} positions, {distinct} of them different from the one before; \
         expected at least 4 and 3"
    )]
    TooFewPoints {
        /// How many it has, the closing one included.
        positions: usize,
        /// How many are left without the closing one and those that repeat the one before.
        distinct: usize,
    },
    /// A ring whose last position is not its first.
    #[error(
        "the ring is open: it starts at {first:?} and ends at {last:?}, expected the same position"
    )]
    OpenRing {
        /// Where it starts, longitude and latitude.
        first: [f64; 2],
        /// Where it ends.
        last: [f64; 2],
    },
    /// An edge that goes around more than half the globe, which only makes sense across ±180°.
    #[error(
        "the edge to {to:?} crosses the antimeridian: cut the area along it into a MultiPolygon"
    )]
    CrossesAntimeridian {
        /// Where the edge leads, longitude and latitude.
        to: [f64; 2],
    },
    /// A ring that meets itself other than by being closed.
    #[error(
        "the ring crosses or touches itself: the edge from {first_from:?} meets the edge from \
         {second_from:?}"
    )]
    SelfCrossing {
        /// Where the one edge starts, longitude and latitude.
        first_from: [f64; 2],
        /// Where the other one starts.
        second_from: [f64; 2],
    },
    /// Two rings of one polygon that meet.
    #[error("the ring crosses or touches ring {other} of its polygon near {near:?}")]
    RingsMeet {
        /// The other ring's index in the polygon; 0 is the outline.
        other: usize,
        /// Where an edge that meets the other ring starts, longitude and latitude.
        near: [f64; 2],
    },
    /// A hole that is not in its polygon's outline.
    #[error("the hole lies outside its polygon's outline")]
    HoleOutside,
    /// A hole in another hole.
    #[error("the hole lies inside ring {other} of its polygon, which is a hole already")]
    HoleInHole {
        /// The index of the hole around it.
        other: usize,
    },
    /// A resolution that H3 does not have.
    #[error("resolution is {resolution}, expected 0 to 15")]
    Resolution {
        /// What was asked for.
        resolution: u8,
    },
    /// So small an area, or so coarse a resolution, that no cell's centre is inside.
    #[error(
        "no cell at resolution {resolution} has its centre in the area of {area_m2:.0} m²; one \
         cell has {cell_m2:.0} m²: take a higher resolution or a larger area"
    )]
    NoCell {
        /// The resolution.
        resolution: u8,
        /// The area's size.
        area_m2: f64,
        /// The average cell's size at this resolution.
        cell_m2: f64,
    },
    /// More than [`CELLS_MAX`] cells.
    #[error(
        "the area has about {estimate} cells at resolution {resolution}, expected at most \
         {CELLS_MAX}: take a lower resolution or a smaller area"
    )]
    TooManyCells {
        /// The resolution.
        resolution: u8,
        /// How many cells it would have, by its size.
        estimate: u64,
    },
}

impl AreaFault {
    pub(super) const fn at(self, at: String) -> AreaError {
        AreaError { at, fault: self }
    }
}

impl fmt::Display for AreaError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.at.is_empty() {
            write!(formatter, "{}: ", self.at)?;
        }
        fmt::Display::fmt(&self.fault, formatter)
    }
}

impl std::error::Error for AreaError {}

fn out_of_range_hint(axis: &str, degrees: f64) -> &'static str {
    if axis == "longitude" && degrees.abs() <= 360.0 {
        "; an area across the antimeridian has to be cut along it into a MultiPolygon"
    } else if axis == "latitude" && degrees.abs() <= 180.0 {
        "; GeoJSON has longitude first"
    } else {
        ""
    }
}
