//! Every way in which an area can be wrong is refused, by name and place.

use huntcore_map::{Area, AreaFault, VERTICES_MAX};
use serde_json::{Value, json};

const SQUARE: [[f64; 2]; 5] = [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0], [0.0, 0.0]];

fn polygon(rings: &[&[[f64; 2]]]) -> Value {
    json!({"type": "Polygon", "coordinates": rings})
}

/// The square with this hole in it.
fn with_hole(hole: &[[f64; 2]]) -> Value {
    polygon(&[&SQUARE, hole])
}

#[track_caller]
fn check(document: &Value, at: &str, fault: &AreaFault) {
    let error = Area::from_value(document).expect_err("a bad area");
    assert_eq!((error.at.as_str(), &error.fault), (at, fault), "{error}");
    let text = Area::parse(&document.to_string()).expect_err("a bad area");
    assert_eq!(text, error);
}

#[track_caller]
fn check_message(text: &str, expected: &str) {
    let message = Area::parse(text).expect_err("a bad area").to_string();
    assert!(message.contains(expected), "{message}");
}

fn not_geojson(expected: &'static str, found: &str) -> AreaFault {
    AreaFault::NotGeoJson {
        expected,
        found: found.to_owned(),
    }
}

#[test]
fn text_that_is_not_json_is_refused_with_its_place() {
    check_message(
        "{\"type\":",
        "not JSON: EOF while parsing a value at line 1 column 8",
    );
    check_message("", "not JSON");
    let infinite = r#"{"type": "Polygon", "coordinates": [[[1e999, 0]]]}"#;
    check_message(infinite, "number out of range at line 1 column");
    let nested = "[".repeat(100_000);
    check_message(&nested, "recursion limit exceeded");
}

#[test]
fn json_that_is_not_geojson_is_refused_with_its_place() {
    check(
        &json!([1, 2]),
        "",
        &not_geojson("a GeoJSON object", "an array of 2"),
    );
    check(
        &json!({}),
        "type",
        &not_geojson("a GeoJSON type", "nothing"),
    );
    check(
        &json!({"type": "Circle"}),
        "type",
        &not_geojson("a GeoJSON type", "\"Circle\""),
    );
    check(
        &json!({"type": "Polygon"}),
        "coordinates",
        &not_geojson("an array", "nothing"),
    );
    check(
        &json!({"type": "Polygon", "coordinates": [[[0, 0], [1, "x"]]]}),
        "coordinates[0][1][1]",
        &not_geojson("a number", "\"x\""),
    );
    check(
        &json!({"type": "MultiPolygon", "coordinates": [[[[0]]]]}),
        "coordinates[0][0][0]",
        &not_geojson("a position of longitude and latitude", "an array of 1"),
    );
    check(
        &json!({"type": "FeatureCollection", "features": [{"type": "Feature", "geometry": null}]}),
        "features[0].geometry",
        &not_geojson("a GeoJSON object", "nothing"),
    );
}

#[test]
fn a_document_without_an_inside_is_refused() {
    for found in ["Point", "MultiPoint", "LineString", "MultiLineString"] {
        let document = json!({"type": "FeatureCollection", "features": [
            {"type": "Feature", "geometry": polygon(&[&SQUARE])},
            {"type": "Feature", "geometry": {"type": found, "coordinates": []}},
        ]});
        check(
            &document,
            "features[1].geometry",
            &AreaFault::NotPolygonal { found },
        );
    }
    check(
        &json!({"type": "FeatureCollection", "features": []}),
        "",
        &AreaFault::NoPolygon,
    );
    check(
        &json!({"type": "MultiPolygon", "coordinates": []}),
        "",
        &AreaFault::NoPolygon,
    );
    check(
        &json!({"type": "MultiPolygon", "coordinates": [[]]}),
        "coordinates[0]",
        &AreaFault::NoPolygon,
    );
}

#[test]
fn positions_beyond_the_map_are_refused() {
    let mut ring = SQUARE;
    ring[2] = [180.5, 1.0];
    let fault = AreaFault::OutOfRange {
        axis: "longitude",
        degrees: 180.5,
        limit: 180.0,
    };
    assert!(
        fault
            .to_string()
            .ends_with("cut along it into a MultiPolygon"),
        "{fault}"
    );
    check(&polygon(&[&ring]), "coordinates[0][2][0]", &fault);
    ring[2] = [1.0, -120.0];
    let fault = AreaFault::OutOfRange {
        axis: "latitude",
        degrees: -120.0,
        limit: 90.0,
    };
    assert!(
        fault.to_string().ends_with("GeoJSON has longitude first"),
        "{fault}"
    );
    check(&polygon(&[&ring]), "coordinates[0][2][1]", &fault);
}

#[test]
fn an_area_across_the_antimeridian_is_refused() {
    let fiji = [
        [178.0, -18.0],
        [-178.0, -18.0],
        [-178.0, -16.0],
        [178.0, -16.0],
        [178.0, -18.0],
    ];
    check(
        &polygon(&[&fiji]),
        "coordinates[0][1]",
        &AreaFault::CrossesAntimeridian {
            to: [-178.0, -18.0],
        },
    );
}

#[test]
fn rings_that_do_not_close_or_are_too_short_are_refused() {
    check(
        &polygon(&[&SQUARE[..4]]),
        "coordinates[0][3]",
        &AreaFault::OpenRing {
            first: [0.0, 0.0],
            last: [0.0, 1.0],
        },
    );
    for (ring, distinct) in [
        (vec![], 0),
        (vec![[0.0, 0.0]], 0),
        (vec![[0.0, 0.0], [1.0, 1.0], [0.0, 0.0]], 2),
        (
            vec![[0.0, 0.0], [1.0, 1.0], [1.0, 1.0], [0.0, 0.0], [0.0, 0.0]],
            2,
        ),
        (vec![[2.0, 2.0]; 6], 1),
    ] {
        let positions = ring.len();
        let fault = AreaFault::TooFewPoints {
            positions,
            distinct,
        };
        check(&polygon(&[&SQUARE, &ring]), "coordinates[1]", &fault);
    }
}

#[test]
fn a_ring_that_meets_itself_is_refused() {
    let bad: [&[[f64; 2]]; 6] = [
        // A bow tie.
        &[[0.0, 0.0], [1.0, 1.0], [1.0, 0.0], [0.0, 1.0], [0.0, 0.0]],
        // A vertex on an edge.
        &[
            [0.0, 0.0],
            [2.0, 0.0],
            [2.0, 2.0],
            [1.0, 0.0],
            [0.0, 2.0],
            [0.0, 0.0],
        ],
        // A vertex twice.
        &[
            [0.0, 0.0],
            [1.0, 1.0],
            [2.0, 0.0],
            [2.0, 2.0],
            [1.0, 1.0],
            [0.0, 2.0],
            [0.0, 0.0],
        ],
        // A spike out and back.
        &[
            [0.0, 0.0],
            [1.0, 0.0],
            [2.0, 0.0],
            [1.0, 0.0],
            [1.0, 1.0],
            [0.0, 0.0],
        ],
        // An edge back over the one before.
        &[[0.0, 0.0], [3.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 0.0]],
        // Nothing but a line.
        &[[0.0, 0.0], [1.0, 0.0], [2.0, 0.0], [0.0, 0.0]],
    ];
    for ring in bad {
        let error = Area::from_value(&polygon(&[ring])).expect_err("not simple");
        assert_eq!(error.at, "coordinates[0]");
        assert!(
            matches!(error.fault, AreaFault::SelfCrossing { .. }),
            "{error}"
        );
    }
    check(
        &polygon(&[bad[0]]),
        "coordinates[0]",
        &AreaFault::SelfCrossing {
            first_from: [0.0, 0.0],
            second_from: [1.0, 0.0],
        },
    );
}

#[test]
fn holes_must_lie_apart_inside_the_outline() {
    let outside = [[2.0, 2.0], [3.0, 2.0], [3.0, 3.0], [2.0, 2.0]];
    check(
        &with_hole(&outside),
        "coordinates[1]",
        &AreaFault::HoleOutside,
    );
    let around = [
        [-1.0, -1.0],
        [9.0, -1.0],
        [9.0, 9.0],
        [-1.0, 9.0],
        [-1.0, -1.0],
    ];
    check(
        &with_hole(&around),
        "coordinates[1]",
        &AreaFault::HoleOutside,
    );

    let across = [[0.5, 0.2], [1.5, 0.5], [0.5, 0.8], [0.5, 0.2]];
    check(
        &with_hole(&across),
        "coordinates[1]",
        &AreaFault::RingsMeet {
            other: 0,
            near: [0.5, 0.2],
        },
    );
    let touching = [[0.5, 0.2], [1.0, 0.5], [0.5, 0.8], [0.5, 0.2]];
    let same = SQUARE;
    for hole in [&touching[..], &same[..]] {
        let error = Area::from_value(&with_hole(hole)).expect_err("rings meet");
        assert!(
            matches!(error.fault, AreaFault::RingsMeet { other: 0, .. }),
            "{error}"
        );
    }

    let hole = [[0.2, 0.2], [0.8, 0.2], [0.8, 0.8], [0.2, 0.8], [0.2, 0.2]];
    let inner = [[0.4, 0.4], [0.6, 0.4], [0.6, 0.6], [0.4, 0.4]];
    check(
        &polygon(&[&SQUARE, &inner, &hole]),
        "coordinates[1]",
        &AreaFault::HoleInHole { other: 2 },
    );
    let crossing = [[0.4, 0.1], [0.6, 0.1], [0.5, 0.5], [0.4, 0.1]];
    let error = Area::from_value(&polygon(&[&SQUARE, &hole, &crossing])).expect_err("meet");
    assert_eq!(error.at, "coordinates[2]");
    assert!(
        matches!(error.fault, AreaFault::RingsMeet { other: 1, .. }),
        "{error}"
    );
}

#[test]
fn a_fault_in_the_second_polygon_is_named_there() {
    let document = json!({"type": "FeatureCollection", "features": [
        {"type": "Feature", "geometry": polygon(&[&SQUARE])},
        {"type": "Feature", "geometry": {"type": "MultiPolygon", "coordinates": [
            [SQUARE], [SQUARE, [[2, 2], [3, 2], [3, 3], [2, 2]]],
        ]}},
    ]});
    check(
        &document,
        "features[1].geometry.coordinates[1][1]",
        &AreaFault::HoleOutside,
    );
}

#[test]
fn too_many_vertices_are_refused() {
    let circle = |vertices: usize| -> Vec<[f64; 2]> {
        let turn = std::f64::consts::TAU / f64::from(u32::try_from(vertices).expect("small"));
        let angle = |index: usize| turn * f64::from(u32::try_from(index).expect("small"));
        let mut ring: Vec<[f64; 2]> = (0..vertices)
            .map(|index| angle(index).sin_cos().into())
            .collect();
        ring.push(ring[0]);
        ring
    };
    assert!(Area::from_value(&polygon(&[&circle(VERTICES_MAX)])).is_ok());
    check(
        &polygon(&[&circle(VERTICES_MAX + 1)]),
        "",
        &AreaFault::TooManyVertices,
    );
    let halves = json!({"type": "MultiPolygon", "coordinates": [
        [circle(VERTICES_MAX / 2)], [circle(VERTICES_MAX / 2 + 1)],
    ]});
    check(&halves, "", &AreaFault::TooManyVertices);
}

#[test]
fn an_area_of_no_cell_or_of_too_many_is_refused() {
    let area = Area::from_value(&polygon(&[&SQUARE])).expect("good");
    let error = area
        .cells(0)
        .expect_err("a cell of resolution 0 is as large as a country");
    assert!(
        matches!(error.fault, AreaFault::NoCell { resolution: 0, .. }),
        "{error}"
    );
    assert!(
        error.to_string().starts_with("no cell at resolution 0"),
        "{error}"
    );

    // 12,364 km²: plainly too large at 15, found out while filling at 10, good at 9.
    for resolution in [15, 10] {
        let error = area.cells(resolution).unwrap_err();
        let AreaFault::TooManyCells { estimate, .. } = error.fault else {
            panic!("{error}")
        };
        assert!(estimate > 1 << 20, "{error}");
    }
    assert!(area.cells(9).is_ok());
    assert_eq!(
        area.cells(16).unwrap_err().fault,
        AreaFault::Resolution { resolution: 16 }
    );
    assert_eq!(
        area.cells(255).unwrap_err().fault,
        AreaFault::Resolution { resolution: 255 }
    );
}
