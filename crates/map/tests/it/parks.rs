//! The example areas are good, of the promised kind and size, and have the cells that the
//! original H3 library (C, 4.x, `polygonToCells`) finds in them.

use std::path::PathBuf;

use huntcore_map::{Area, CellList};
use serde_json::Value;

fn load(name: &str) -> (Value, Area) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../examples/areas")
        .join(name);
    let text = std::fs::read_to_string(&path).expect("the example area is there");
    let area = Area::parse(&text).expect("the example area is good");
    (serde_json::from_str(&text).expect("JSON"), area)
}

#[track_caller]
fn check(name: &str, kind: &str, holes: usize, hectares: std::ops::Range<f64>) -> CellList {
    let (document, area) = load(name);
    let properties = &document["properties"];
    assert!(
        properties["name"]
            .as_str()
            .is_some_and(|name| !name.is_empty())
    );
    let resolution = properties["resolution"].as_u64().expect("a resolution");
    let cells = area
        .cells(u8::try_from(resolution).expect("0 to 15"))
        .expect("cells");

    let outline = area.outline();
    assert_eq!(outline["type"], kind);
    let single = [outline["coordinates"].clone()];
    let polygons = match kind {
        "Polygon" => &single[..],
        _ => outline["coordinates"].as_array().expect("polygons"),
    };
    let rings = |polygon: &Value| polygon.as_array().expect("rings").len();
    assert_eq!(
        polygons
            .iter()
            .map(|polygon| rings(polygon) - 1)
            .sum::<usize>(),
        holes
    );
    assert!(
        hectares.contains(&(area.area_m2() / 10_000.0)),
        "{}",
        area.area_m2()
    );
    cells
}

#[track_caller]
fn check_cells(cells: &CellList, count: u32, hash: &str) {
    assert_eq!((cells.resolution(), cells.count()), (12, count));
    assert_eq!(cells.hash().to_string(), hash);
    assert_eq!(CellList::new(cells.as_slice().to_vec()).as_ref(), Ok(cells));
}

#[test]
fn the_default_park_has_a_lake_and_room_for_1024_tiles() {
    let cells = check("park.geojson", "Polygon", 1, 125.0..145.0);
    let hash = "970d2cdf1788349f719afa4e9337330eaa6bce7f7561895dda5a12dcd7d077d8";
    check_cells(&cells, 4_645, hash);
}

#[test]
fn central_park_has_three_lakes() {
    let cells = check("central-park.geojson", "Polygon", 3, 280.0..320.0);
    let hash = "502a60b0768418ca9c1732a93efca994e55e41b881de84ee579019c574b8559b";
    check_cells(&cells, 9_784, hash);
}

#[test]
fn the_tiergarten_is_cut_into_three_by_its_avenues() {
    let cells = check("tiergarten.geojson", "MultiPolygon", 1, 170.0..200.0);
    let hash = "295ad632e2ff99db128973177170e34fb05fc532820de6a10b29c4511e4237a8";
    check_cells(&cells, 6_793, hash);
}
