//! One form for one area, whatever order and direction its rings came in.

use serde_json::{Value, json};

use super::{Polygon, Ring, Vertex};

/// Rings turned and started as [`super::Area::outline`] says, polygons and holes in order.
pub(super) fn canonical(mut polygons: Vec<Polygon>) -> Vec<Polygon> {
    for polygon in &mut polygons {
        turn(&mut polygon.outline, true);
        for hole in &mut polygon.holes {
            turn(hole, false);
        }
        polygon
            .holes
            .sort_by(|a, b| compare(a.vertices[0], b.vertices[0]));
    }
    // Polygons may overlap and so start at one place: all of them decides.
    polygons.sort_by(|a, b| {
        let vertices = |polygon: &Polygon| -> Vec<Vertex> {
            polygon
                .rings()
                .flat_map(|ring| ring.vertices.iter().copied())
                .collect()
        };
        vertices(a)
            .into_iter()
            .map(Key)
            .cmp(vertices(b).into_iter().map(Key))
    });
    polygons
}

/// A Polygon or a `MultiPolygon` of canonical polygons.
pub(super) fn geometry(polygons: &[Polygon]) -> Value {
    let mut coordinates: Vec<Value> = polygons
        .iter()
        .map(|polygon| polygon.rings().map(positions).collect())
        .collect();
    if coordinates.len() == 1 {
        json!({"type": "Polygon", "coordinates": coordinates.remove(0)})
    } else {
        json!({"type": "MultiPolygon", "coordinates": coordinates})
    }
}

fn positions(ring: &Ring) -> Value {
    let closing = ring.vertices.first();
    ring.vertices
        .iter()
        .chain(closing)
        .map(|vertex| json!(vertex.degrees()))
        .collect()
}

fn turn(ring: &mut Ring, counter_clockwise: bool) {
    if (ring.area_m2() > 0.0) != counter_clockwise {
        ring.vertices.reverse();
    }
    let starts =
        (0..ring.vertices.len()).min_by(|&a, &b| compare(ring.vertices[a], ring.vertices[b]));
    ring.vertices
        .rotate_left(starts.expect("a ring has vertices"));
}

fn compare(a: Vertex, b: Vertex) -> std::cmp::Ordering {
    a.longitude
        .total_cmp(&b.longitude)
        .then(a.latitude.total_cmp(&b.latitude))
}

struct Key(Vertex);

impl Ord for Key {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        compare(self.0, other.0)
    }
}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Key {}
