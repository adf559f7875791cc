//! `docs/fairness-vectors.json` is what this crate computes, and what a program that shares
//! no code with it computes too.

use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use huntcore_map::{Area, CellList, FairnessKey, MapConfig, RoundMap, SeedChain, ValueTable};
use huntcore_model::{HuntId, RoundNumber, ValueWeight};
use serde_json::{Value, json};

fn docs(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../docs")
        .join(name)
}

/// The vectors as this crate computes them from the inputs that `given` states.
fn recompute(given: &Value) -> Value {
    let key: FairnessKey = text(&given["fairness_key"]).parse().expect("a key");
    let hunt: HuntId = text(&given["hunt"]).parse().expect("a hunt");
    let area = Area::from_value(&given["cells"]["area"]).expect("a good area");
    let resolution = u8::try_from(number(&given["cells"]["resolution"])).expect("0 to 15");
    let cells = Arc::new(area.cells(resolution).expect("cells"));
    let configs: Vec<MapConfig> = array(&given["configs"])
        .iter()
        .map(|config| map_config(config, &cells))
        .collect();

    let mut computed = given.clone();
    for chain in array_mut(&mut computed["chains"]) {
        let derived = SeedChain::derive(&key, &hunt, number(&chain["chain"]));
        let end = derived.seed(derived.last_round()).expect("its last round");
        chain["end"] = json!(end.reveal());
        chain["anchor"] = json!(derived.anchor());
    }
    computed["cells"]["cells"] = json!(cells.as_slice());
    computed["cells"]["hash"] = json!(cells.hash());
    for (config, made) in array_mut(&mut computed["configs"]).iter_mut().zip(&configs) {
        config["bytes"] = json!(hex::encode(made.canonical_bytes()));
        config["hash"] = json!(made.hash());
    }
    for shown in array_mut(&mut computed["rounds"]) {
        let round = RoundNumber::new(number(&shown["round"]));
        let place = huntcore_map::SeedPlace::of(round).expect("a round");
        let seed = SeedChain::derive(&key, &hunt, place.chain)
            .seed(round)
            .expect("covered");
        let version = number(&shown["config_version"]);
        let config = configs
            .iter()
            .find(|config| u64::from(config.version()) == version);
        let map = RoundMap::generate(&hunt, round, config.expect("a version"), &seed);
        shown["seed"] = json!(seed.reveal());
        shown["commitment"] = json!(seed.commitment(round));
        shown["layout"] = json!(seed.layout());
        shown["map"] = json!(map.name());
        let tiles = map.tiles().iter().take(array(&shown["tiles"]).len());
        shown["tiles"] = tiles
            .map(|tile| json!({"cell": tile.cell, "points": tile.points}))
            .collect();
    }
    computed
}

fn map_config(config: &Value, cells: &Arc<CellList>) -> MapConfig {
    let small = |value: &Value| u32::try_from(number(value)).expect("32 bits");
    let rows = array(&config["values"]).iter().map(|row| ValueWeight {
        points: small(&row["points"]),
        weight: small(&row["weight"]),
    });
    let values = ValueTable::new(rows.collect()).expect("a good table");
    let version = small(&config["version"]);
    MapConfig::new(version, Arc::clone(cells), small(&config["tiles"]), values).expect("good")
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a string")
}

fn number(value: &Value) -> u64 {
    value.as_u64().expect("a number")
}

fn array(value: &Value) -> &[Value] {
    value.as_array().expect("an array")
}

fn array_mut(value: &mut Value) -> &mut Vec<Value> {
    value.as_array_mut().expect("an array")
}

#[test]
fn the_published_vectors_are_what_the_crate_computes() {
    let path = docs("fairness-vectors.json");
    let text = std::fs::read_to_string(&path).expect("the vectors are there");
    let given: Value = serde_json::from_str(&text).expect("JSON");
    let computed = recompute(&given);
    assert!(
        computed == given,
        "{} differs from what the crate computes:\n{computed:#}",
        path.display()
    );
}

#[test]
fn an_independent_program_computes_the_same_vectors() {
    let script = docs("fairness_check.py");
    let output = Command::new("python3")
        .arg(&script)
        .output()
        .expect("this test needs python3 (any 3.8 or later, no packages): install it");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{} disagrees:\n{said}{}",
        script.display(),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(said.contains(" values are right"), "{said}");
}

#[test]
fn the_independent_program_notices_a_changed_vector() {
    let text = std::fs::read_to_string(docs("fairness-vectors.json")).expect("the vectors");
    let mut vectors: Value = serde_json::from_str(&text).expect("JSON");
    let points = &mut vectors["rounds"][0]["tiles"][0]["points"];
    *points = json!(number(points) + 1);
    let path = std::env::temp_dir().join(format!("fairness-vectors-{}.json", std::process::id()));
    std::fs::write(&path, vectors.to_string()).expect("a temporary file");
    let output = Command::new("python3")
        .arg(docs("fairness_check.py"))
        .arg(&path)
        .output()
        .expect("this test needs python3 (any 3.8 or later, no packages): install it");
    std::fs::remove_file(&path).expect("the temporary file is ours");
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("round 1: tiles: computed"), "{said}");
}
