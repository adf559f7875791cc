//! The cells of good areas, against a check of every cell on the globe.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use h3o::{CellIndex, Resolution};
use huntcore_map::{Area, Cell, VERTICES_MAX};
use proptest::prelude::*;
use serde_json::{Value, json};

type Ring = Vec<[f64; 2]>;

/// Every cell of resolution 3 and its centre.
fn globe() -> &'static [(Cell, [f64; 2])] {
    static GLOBE: OnceLock<Vec<(Cell, [f64; 2])>> = OnceLock::new();
    GLOBE.get_or_init(|| {
        CellIndex::base_cells()
            .flat_map(|base| base.children(Resolution::Three))
            .map(|index| Cell::new(index.into()).expect("a cell"))
            .map(|cell| (cell, cell.center()))
            .collect()
    })
}

/// Inside by the sum of angles under which the edges are seen: slow, and unlike the crate.
fn winds_around(ring: &[[f64; 2]], [x, y]: [f64; 2]) -> bool {
    let turn: f64 = ring
        .windows(2)
        .map(|edge| {
            let angle = |[px, py]: [f64; 2]| (py - y).atan2(px - x);
            let turned = angle(edge[1]) - angle(edge[0]);
            (turned + 3.0 * std::f64::consts::PI).rem_euclid(std::f64::consts::TAU)
                - std::f64::consts::PI
        })
        .sum();
    turn.abs() > 1.0
}

fn naive(polygons: &[Vec<Ring>]) -> Vec<Cell> {
    let inside = |rings: &Vec<Ring>, center| {
        winds_around(&rings[0], center) && !rings[1..].iter().any(|hole| winds_around(hole, center))
    };
    let cells: BTreeSet<Cell> = globe()
        .iter()
        .filter(|&&(_, center)| polygons.iter().any(|rings| inside(rings, center)))
        .map(|&(cell, _)| cell)
        .collect();
    cells.into_iter().collect()
}

/// A star around a centre, sometimes with a smaller star in it as a hole.
fn star() -> impl Strategy<Value = Vec<Ring>> {
    let center = (-180.0_f64..180.0, -90.0_f64..90.0);
    let radii = prop::collection::vec((2.0_f64..40.0, any::<bool>()), 3..24);
    (center, radii, any::<bool>()).prop_map(|((x, y), radii, hole)| {
        let ring = |scale: f64| -> Ring {
            let count = f64::from(u32::try_from(radii.len()).expect("small"));
            let mut ring: Ring = (0_u32..)
                .zip(&radii)
                .map(|(index, &(radius, _))| {
                    let (sin, cos) = (std::f64::consts::TAU * f64::from(index) / count).sin_cos();
                    [x + radius * scale * cos, y + radius * scale * sin]
                })
                .collect();
            ring.push(ring[0]);
            ring
        };
        if hole {
            vec![ring(1.0), ring(0.6)]
        } else {
            vec![ring(1.0)]
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn exactly_the_cells_with_their_centres_inside_are_found(
        polygons in prop::collection::vec(star(), 1..3),
    ) {
        let document = json!({"type": "MultiPolygon", "coordinates": polygons});
        // Stars over the map's edge are refused; enough of them are not.
        let Ok(area) = Area::from_value(&document) else { return Ok(()) };
        let expected = naive(&polygons);
        match area.cells(3) {
            Ok(cells) => prop_assert_eq!(cells.as_slice(), &expected[..]),
            Err(_) => prop_assert!(expected.is_empty()),
        }
    }

    #[test]
    fn the_outline_is_the_area_however_it_was_written(
        polygons in prop::collection::vec(star(), 1..4),
        turn in 0_usize..24,
    ) {
        let document = json!({"type": "MultiPolygon", "coordinates": polygons});
        let Ok(area) = Area::from_value(&document) else { return Ok(()) };
        prop_assert_eq!(&Area::parse(&area.outline().to_string()), &Ok(area.clone()));

        let mut shuffled = polygons;
        for ring in shuffled.iter_mut().flatten() {
            ring.pop();
            let start = turn % ring.len();
            ring.rotate_left(start);
            ring.reverse();
            // A vertex said twice is one vertex.
            ring.push(ring[ring.len() - 1]);
            ring.push(ring[0]);
        }
        shuffled.reverse();
        let features: Vec<Value> = shuffled
            .iter()
            .map(|rings| json!({
                "type": "Feature",
                "properties": null,
                "geometry": {"type": "Polygon", "coordinates": rings},
            }))
            .collect();
        let collection = json!({"type": "FeatureCollection", "features": features});
        let again = Area::from_value(&collection).expect("the same area");
        prop_assert_eq!(again.outline(), area.outline());
        prop_assert_eq!(again.hash(), area.hash());
    }
}

fn square(west: f64, south: f64, size: f64) -> Ring {
    let (east, north) = (west + size, south + size);
    vec![
        [west, south],
        [east, south],
        [east, north],
        [west, north],
        [west, south],
    ]
}

fn cells(document: &Value, resolution: u8) -> BTreeSet<Cell> {
    let area = Area::from_value(document).expect("a good area");
    let cells = area.cells(resolution).expect("some cells");
    assert_eq!(cells.resolution(), resolution);
    cells.as_slice().iter().copied().collect()
}

fn polygon(rings: &[Ring]) -> Value {
    json!({"type": "Polygon", "coordinates": rings})
}

#[test]
fn a_hole_is_not_in_the_area() {
    let (outer, inner) = (square(7.0, 46.0, 0.2), square(7.05, 46.05, 0.1));
    let whole = cells(&polygon(std::slice::from_ref(&outer)), 8);
    let hole = cells(&polygon(std::slice::from_ref(&inner)), 8);
    let rest = cells(&polygon(&[outer, inner]), 8);
    assert!(!hole.is_empty() && hole.is_subset(&whole));
    assert_eq!(rest, whole.difference(&hole).copied().collect());
}

#[test]
fn polygons_merge_whether_they_are_apart_touch_or_overlap() {
    let parts = [
        square(7.0, 46.0, 0.1),
        square(7.1, 46.0, 0.1),
        square(7.15, 46.05, 0.1),
    ];
    let multi = json!({"type": "MultiPolygon", "coordinates": parts.clone().map(|ring| [ring])});
    let union: BTreeSet<Cell> = parts
        .iter()
        .flat_map(|ring| cells(&polygon(std::slice::from_ref(ring)), 8))
        .collect();
    assert_eq!(cells(&multi, 8), union);
    let geometries = parts.clone().map(|ring| polygon(&[ring]));
    let collection = json!({"type": "GeometryCollection", "geometries": geometries});
    assert_eq!(cells(&collection, 8), union);
    let twice = json!({"type": "MultiPolygon", "coordinates": [[parts[0]], [parts[0]]]});
    assert_eq!(cells(&twice, 8), cells(&polygon(&parts[..1]), 8));

    // An island in a lake.
    let rings = [square(7.0, 46.0, 0.3), square(7.1, 46.1, 0.1)];
    let island = square(7.13, 46.13, 0.04);
    let document = json!({"type": "MultiPolygon", "coordinates": [rings, [island.clone()]]});
    let mut expected = cells(&polygon(&rings), 8);
    expected.extend(cells(&polygon(&[island]), 8));
    assert_eq!(cells(&document, 8), expected);
}

#[test]
fn polygons_that_share_an_edge_share_no_cell_and_leave_none_out() {
    let whole = cells(&polygon(&[square(7.0, 46.0, 0.2)]), 9);
    let quarters: Vec<BTreeSet<Cell>> = [(7.0, 46.0), (7.1, 46.0), (7.0, 46.1), (7.1, 46.1)]
        .iter()
        .map(|&(west, south)| cells(&polygon(&[square(west, south, 0.1)]), 9))
        .collect();
    assert_eq!(
        quarters.iter().map(BTreeSet::len).sum::<usize>(),
        whole.len()
    );
    assert_eq!(
        quarters.into_iter().flatten().collect::<BTreeSet<_>>(),
        whole
    );
}

#[test]
fn an_area_cut_along_the_antimeridian_is_whole() {
    let (west, east) = (square(179.0, -18.0, 1.0), square(-180.0, -18.0, 1.0));
    let both = json!({"type": "MultiPolygon", "coordinates": [[west], [east]]});
    let both = cells(&both, 6);
    let west = cells(&polygon(&[west]), 6);
    let east = cells(&polygon(&[east]), 6);
    assert!(west.is_disjoint(&east));
    assert_eq!(west.union(&east).copied().collect::<BTreeSet<_>>(), both);
    // About 23,600 km² of cells of 36 km² on average, and of 33 km² around here.
    assert!((600..760).contains(&both.len()), "{}", both.len());
}

#[test]
fn the_poles_are_on_the_map() {
    let cap = json!({"type": "Polygon", "coordinates": [[
        [-180, 80], [-60, 80], [60, 80], [180, 80], [180, 90], [60, 90], [-60, 90], [-180, 90],
        [-180, 80],
    ]]});
    let expected = globe()
        .iter()
        .filter(|(_, center)| center[1] > 80.0)
        .map(|&(cell, _)| cell);
    assert_eq!(cells(&cap, 3), expected.collect());
}

#[test]
fn coordinates_of_many_digits_survive_writing_and_reading() {
    let awkward = -3.673_940_397_442_059_4e-16;
    let ring = vec![
        [awkward, 46.0],
        [0.1 + 0.2, 46.0],
        [1.0 / 3.0, 46.7],
        [awkward, 46.0],
    ];
    let area = Area::from_value(&polygon(&[ring])).expect("good");
    let text = area.outline().to_string();
    assert!(text.contains("-3.6739403974420594e-16,46.0"), "{text}");
    assert_eq!(Area::parse(&text), Ok(area));
}

#[test]
fn the_size_of_an_area_is_right() {
    let area = |ring: Ring| Area::from_value(&polygon(&[ring])).expect("good").area_m2() / 1e6;
    // A square degree on a sphere of 6,371.007 km: R² Δλ (sin φ₂ − sin φ₁).
    let at_equator = area(square(0.0, 0.0, 1.0));
    assert!((at_equator - 12_363.7).abs() < 1.0, "{at_equator}");
    let at_60 = area(square(10.0, 60.0, 1.0));
    assert!((at_60 - 6_087.4).abs() < 20.0, "{at_60}");
}

#[test]
fn an_area_at_the_limit_of_vertices_is_filled() {
    // A comb of long slanted teeth: every edge overlaps every other one in both axes.
    let teeth = u32::try_from(VERTICES_MAX / 2 - 1).expect("small");
    let along = |tooth: u32| f64::from(tooth) * 2e-6;
    let mut ring: Ring = Vec::new();
    for tooth in 0..teeth {
        ring.push([7.0 + along(tooth), 46.0 - along(tooth)]);
        ring.push([7.1 + along(tooth), 46.1 - along(tooth)]);
    }
    ring.push([7.2, 45.9]);
    ring.push([6.9, 45.9]);
    ring.push(ring[0]);
    assert_eq!(ring.len() - 1, VERTICES_MAX);
    let area = Area::from_value(&polygon(&[ring])).expect("simple");
    let cells = area.cells(10).expect("not too many");
    let estimate = area.area_m2() / Resolution::Ten.area_m2();
    let ratio = f64::from(cells.count()) / estimate;
    assert!((0.9..1.1).contains(&ratio), "{ratio}");
}
