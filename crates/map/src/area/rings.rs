//! Checks that a polygon's rings bound an inside without doubt.

use geo::kernels::{Kernel, Orientation, RobustKernel};

use super::geojson::{Draft, item};
use super::{AreaError, AreaFault, Polygon, Ring, Vertex};

/// A polygon from its draft: rings closed, simple and apart, holes inside the outline.
pub(super) fn check(draft: Draft) -> Result<Polygon, AreaError> {
    let Draft { at, rings } = draft;
    let rings = rings
        .into_iter()
        .enumerate()
        .map(|(index, positions)| ring(positions, &item(&at, index)))
        .collect::<Result<Vec<_>, _>>()?;
    if let Some(contact) = first_contact(&rings) {
        return Err(contact.error(&at));
    }
    nesting(&rings, &at)?;
    let mut rings = rings.into_iter();
    let outline = rings.next().expect("a draft has at least one ring");
    Ok(Polygon {
        outline,
        holes: rings.collect(),
    })
}

fn ring(positions: Vec<Vertex>, at: &str) -> Result<Ring, AreaError> {
    let count = positions.len();
    if let [first, .., last] = positions[..]
        && first != last
    {
        let fault = AreaFault::OpenRing {
            first: first.degrees(),
            last: last.degrees(),
        };
        return Err(fault.at(item(at, count - 1)));
    }
    for (index, pair) in positions.windows(2).enumerate() {
        if (pair[1].longitude - pair[0].longitude).abs() > 180.0 {
            let fault = AreaFault::CrossesAntimeridian {
                to: pair[1].degrees(),
            };
            return Err(fault.at(item(at, index + 1)));
        }
    }
    let mut vertices = positions;
    vertices.pop();
    vertices.dedup();
    // Without the closing position, the last vertex may still repeat the first one.
    while vertices.len() > 1 && vertices.first() == vertices.last() {
        vertices.pop();
    }
    if count < 4 || vertices.len() < 3 {
        let fault = AreaFault::TooFewPoints {
            positions: count,
            distinct: vertices.len(),
        };
        return Err(fault.at(at.to_owned()));
    }
    Ok(Ring { vertices })
}

/// Two edges that meet and should not.
struct Contact {
    first: Edge,
    second: Edge,
}

#[derive(Clone, Copy)]
struct Edge {
    ring: usize,
    index: usize,
    from: Vertex,
    to: Vertex,
    west: f64,
    east: f64,
    south: f64,
    north: f64,
}

impl Edge {
    fn new(ring: usize, index: usize, from: Vertex, to: Vertex) -> Self {
        Self {
            ring,
            index,
            from,
            to,
            west: from.longitude.min(to.longitude),
            east: from.longitude.max(to.longitude),
            south: from.latitude.min(to.latitude),
            north: from.latitude.max(to.latitude),
        }
    }

    fn side(&self, vertex: Vertex) -> Orientation {
        side(self.from, self.to, vertex)
    }

    /// Whether a vertex that is on this edge's line is on the edge.
    fn spans(&self, vertex: Vertex) -> bool {
        (self.west..=self.east).contains(&vertex.longitude)
            && (self.south..=self.north).contains(&vertex.latitude)
    }

    fn meets(&self, other: &Self) -> bool {
        let (from, to) = (self.side(other.from), self.side(other.to));
        if from == to && from != Orientation::Collinear {
            return false;
        }
        let (other_from, other_to) = (other.side(self.from), other.side(self.to));
        if other_from == other_to && other_from != Orientation::Collinear {
            return false;
        }
        if from != Orientation::Collinear
            && to != Orientation::Collinear
            && other_from != Orientation::Collinear
            && other_to != Orientation::Collinear
        {
            return true;
        }
        let touches =
            |edge: &Self, side, vertex| side == Orientation::Collinear && edge.spans(vertex);
        touches(self, from, other.from)
            || touches(self, to, other.to)
            || touches(other, other_from, self.from)
            || touches(other, other_to, self.to)
    }

    /// For an edge that starts where this one ends: whether it runs back over it.
    fn folds_back(&self, next: &Self) -> bool {
        self.side(next.to) == Orientation::Collinear && {
            let (a, b, c) = (self.from, self.to, next.to);
            (b.longitude - a.longitude) * (c.longitude - b.longitude)
                + (b.latitude - a.latitude) * (c.latitude - b.latitude)
                < 0.0
        }
    }
}

/// Exact, whatever the rounding: the side of the line `from` → `to` on which `vertex` is.
pub(super) fn side(from: Vertex, to: Vertex, vertex: Vertex) -> Orientation {
    RobustKernel::orient2d(from.coordinate(), to.coordinate(), vertex.coordinate())
}

/// Sweeps from west to east; only edges that overlap in longitude are compared. At worst
/// that is every pair, 50 million at the limit of vertices, which takes less than a second.
fn first_contact(rings: &[Ring]) -> Option<Contact> {
    let mut edges: Vec<Edge> = rings
        .iter()
        .enumerate()
        .flat_map(|(ring, line)| {
            let edges = line.edges().enumerate();
            edges.map(move |(index, (from, to))| Edge::new(ring, index, from, to))
        })
        .collect();
    edges.sort_by(|a, b| a.west.total_cmp(&b.west));
    for (place, first) in edges.iter().enumerate() {
        for second in &edges[place + 1..] {
            if second.west > first.east {
                break;
            }
            if second.south > first.north || second.north < first.south {
                continue;
            }
            let count = rings[first.ring].vertices.len();
            let same_ring = first.ring == second.ring;
            let bad = if same_ring && (first.index + 1) % count == second.index {
                first.folds_back(second)
            } else if same_ring && (second.index + 1) % count == first.index {
                second.folds_back(first)
            } else {
                first.meets(second)
            };
            if bad {
                return Some(Contact {
                    first: *first,
                    second: *second,
                });
            }
        }
    }
    None
}

impl Contact {
    fn error(self, at: &str) -> AreaError {
        let (mut first, mut second) = (self.first, self.second);
        if (second.ring, second.index) < (first.ring, first.index) {
            std::mem::swap(&mut first, &mut second);
        }
        let fault = if first.ring == second.ring {
            AreaFault::SelfCrossing {
                first_from: first.from.degrees(),
                second_from: second.from.degrees(),
            }
        } else {
            AreaFault::RingsMeet {
                other: first.ring,
                near: second.from.degrees(),
            }
        };
        fault.at(item(at, second.ring))
    }
}

/// Rings that do not meet are inside or outside each other as a whole, so one vertex tells.
fn nesting(rings: &[Ring], at: &str) -> Result<(), AreaError> {
    for (index, hole) in rings.iter().enumerate().skip(1) {
        if !surrounds(&rings[0], hole) {
            return Err(AreaFault::HoleOutside.at(item(at, index)));
        }
        let mut others = rings.iter().enumerate().skip(1);
        if let Some((other, _)) =
            others.find(|&(other, ring)| other != index && surrounds(ring, hole))
        {
            return Err(AreaFault::HoleInHole { other }.at(item(at, index)));
        }
    }
    Ok(())
}

fn surrounds(outer: &Ring, inner: &Ring) -> bool {
    let vertex = inner.vertices[0];
    let crossed = outer
        .edges()
        .filter(|&(from, to)| is_east(from, to, vertex))
        .count();
    crossed % 2 == 1
}

/// Whether a line from `vertex` straight east crosses the edge. An edge's southern end
/// belongs to it and its northern end does not, so that a line through a vertex of a ring
/// counts it once, or twice, or not at all, as it has to.
pub(super) fn is_east(from: Vertex, to: Vertex, vertex: Vertex) -> bool {
    if (from.latitude > vertex.latitude) == (to.latitude > vertex.latitude) {
        return false;
    }
    let (low, high) = if from.latitude < to.latitude {
        (from, to)
    } else {
        (to, from)
    };
    side(low, high, vertex) == Orientation::CounterClockwise
}
