//! The published definition as another implementation compiles it, and what that implementation
//! makes of our bytes: told in its own JSON, and compared with ours by rules that hold for every
//! message alike.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use huntcore_wire::proto::DEFINITION;
use huntcore_wire::{ClientMessage, LiveForm, ServerMessage, Timestamp};
use proptest::prelude::*;
use prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage, SerializeOptions};
use serde_json::{Map, Value, json};

use crate::messages::{client_message, damage, damaged, server_message};

static POOL: LazyLock<DescriptorPool> = LazyLock::new(|| {
    let include = concat!(env!("CARGO_MANIFEST_DIR"), "/proto");
    let set = protox::compile(["huntcore/v1/huntcore.proto"], [include]);
    let set = set.expect("the definition compiles");
    DescriptorPool::from_file_descriptor_set(set).expect("the definition is complete")
});

/// What the other implementation reads; `None` if it is none of its messages.
pub(crate) fn read(name: &str, bytes: &[u8]) -> Option<DynamicMessage> {
    let descriptor = POOL.get_message_by_name(&format!("huntcore.v1.{name}"));
    DynamicMessage::decode(descriptor.expect("defined"), bytes).ok()
}

/// The other implementation's own JSON of what it has read, without what it does not know.
pub(crate) fn json_of(message: &DynamicMessage) -> Value {
    let options = SerializeOptions::new()
        .use_proto_field_name(true)
        .stringify_64_bit_integers(false);
    message
        .serialize_with_options(serde_json::value::Serializer, &options)
        .expect("plain data")
}

/// Our JSON of a message as the other implementation's JSON of it has to be.
fn expected(ours: &str) -> Value {
    let Value::Object(mut message) = serde_json::from_str(ours).expect("our own JSON") else {
        panic!("a message is an object");
    };
    let Some(Value::String(kind)) = message.remove("type") else {
        panic!("a message has a type");
    };
    json!({ kind: translated(message) })
}

fn translated(message: Map<String, Value>) -> Value {
    let mut fields = Map::new();
    let oldest = message.get("oldest").and_then(Value::as_u64);
    let is_listed = message.len() <= 2 && message.contains_key("board");
    for (name, value) in message {
        match (&*name, value) {
            (
                "server_time" | "opens_at" | "closes_at" | "start" | "end" | "corrected_at",
                Value::String(time),
            ) => {
                let time: Timestamp = time.parse().expect("a time");
                fields.insert(format!("{name}_ms"), time.micros().millis().into());
            }
            ("map" | "commitment" | "layout" | "seed", Value::String(hash)) => {
                let hash: huntcore_model::Hash32 = hash.parse().expect("a hash");
                fields.insert(name, STANDARD.encode(hash.bytes()).into());
            }
            ("resume" | "position" | "winner_position", Value::String(position)) => {
                let bytes = URL_SAFE_NO_PAD.decode(position).expect("base64url");
                fields.insert(name, STANDARD.encode(bytes).into());
            }
            ("claims", Value::Array(claims)) => add_columns(&mut fields, &claims, oldest),
            ("state", Value::String(text)) => {
                fields.insert(name, enum_value("HUNT_STATE", &text));
            }
            ("outcome", Value::String(text)) => {
                fields.insert(name, enum_value("OUTCOME", &text));
            }
            // A board of a list has a name only, for lists came later than names.
            ("board", Value::String(text)) if is_listed => {
                fields.insert(name, text.into());
            }
            ("own_rank" | "board", Value::String(text)) => match enum_board(&text) {
                Some(number) => drop(fields.insert(name, number)),
                None => drop(fields.insert(format!("{name}_name"), text.into())),
            },
            ("kind", Value::String(text)) => {
                fields.insert(name, enum_value("CORRECTION", &text));
            }
            ("cells", Value::Array(cells)) => {
                let index = |cell: &Value| u64::from_str_radix(cell.as_str().expect("text"), 16);
                let cells: Vec<u64> = cells.iter().map(|cell| index(cell).expect("hex")).collect();
                fields.insert(name, json!({ "cells": cells }));
            }
            ("boards", Value::Array(boards)) => {
                let text = |board: &Value| board.as_str().expect("a text").to_owned();
                let (numbers, names): (Vec<String>, Vec<String>) = boards
                    .iter()
                    .map(text)
                    .partition(|board| enum_board(board).is_some());
                // In the order of their numbers.
                let numbers = ["total", "best", "second"]
                    .into_iter()
                    .filter(|board| numbers.iter().any(|number| number == board));
                let numbers: Vec<Value> = numbers.filter_map(enum_board).collect();
                fields.insert(name, json!({ "boards": numbers, "names": names }));
            }
            (_, Value::Object(inner)) => {
                fields.insert(name, translated(inner));
            }
            (_, Value::Array(items)) => {
                let item = |item| match item {
                    Value::Object(inner) => translated(inner),
                    plain => plain,
                };
                fields.insert(name, items.into_iter().map(item).collect());
            }
            (_, Value::Null) => {}
            (_, plain) => {
                fields.insert(name, plain);
            }
        }
    }
    Value::Object(fields)
}

fn add_columns(fields: &mut Map<String, Value>, claims: &[Value], oldest: Option<u64>) {
    let column = |name| -> Value {
        let values = claims.iter().map(|claim| &claim[name]);
        values
            .map(|value| {
                if value.is_null() {
                    json!("")
                } else {
                    value.clone()
                }
            })
            .collect()
    };
    for name in ["tile", "points", "player"] {
        let plural = if name == "points" {
            "points".to_owned()
        } else {
            format!("{name}s")
        };
        fields.insert(format!("claim_{plural}"), column(name));
    }
    let voided = (0_u64..).zip(claims);
    let voided = voided.filter(|(_, claim)| claim["voided"] == json!(true));
    let voided = voided.map(|(place, _)| Value::from(place)).collect();
    fields.insert("claim_voided".to_owned(), voided);
    if let Some(oldest) = oldest {
        let round = |claim: &Value| claim["round"].as_u64().expect("a number");
        let rounds = claims.iter().map(|claim| round(claim).wrapping_sub(oldest));
        fields.insert("claim_rounds".to_owned(), rounds.map(Value::from).collect());
    }
}

fn enum_board(name: &str) -> Option<Value> {
    ["total", "best", "second"]
        .contains(&name)
        .then(|| enum_value("BOARD", name))
}

fn enum_value(prefix: &str, name: &str) -> Value {
    format!("{prefix}_{}", name.to_uppercase().replace('-', "_")).into()
}

/// Without fields that have their type's default, which either side may leave out.
fn without_defaults(value: Value) -> Value {
    match value {
        Value::Object(fields) => fields
            .into_iter()
            .map(|(name, value)| (name, without_defaults(value)))
            .filter(|(_, value)| {
                let is_default =
                    value == &json!(0) || value == &json!("") || value == &json!(false);
                // Says as much as nothing where it is one of two ways to name a board.
                let is_no_board = value == &json!("BOARD_UNSPECIFIED");
                !is_default && !is_no_board && value != &json!([])
            })
            .collect(),
        Value::Array(items) => items.into_iter().map(without_defaults).collect(),
        plain => plain,
    }
}

fn check(name: &str, bytes: &[u8], ours: &str) -> Result<(), TestCaseError> {
    let theirs = read(name, bytes).expect("the other implementation reads it");
    prop_assert_eq!(
        &theirs.encode_to_vec(),
        bytes,
        "written as the other one writes it"
    );
    let told = without_defaults(json_of(&theirs));
    prop_assert_eq!(told, without_defaults(expected(ours)));
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn another_implementation_reads_what_a_client_says(message in client_message()) {
        check("ClientMessage", &message.encode(LiveForm::Proto), &message.to_json())?;
    }

    #[test]
    fn another_implementation_reads_what_a_server_says(message in server_message()) {
        check("ServerMessage", &message.encode(LiveForm::Proto), &message.to_json())?;
    }

    #[test]
    fn damaged_bytes_of_a_client_are_read_alike_or_refused(
        message in client_message(),
        damage in damage(),
    ) {
        let bytes = damaged(&message.encode(LiveForm::Proto), &damage);
        if let Ok(read_here) = ClientMessage::decode(LiveForm::Proto, &bytes) {
            check_same("ClientMessage", &bytes, &read_here.encode(LiveForm::Proto))?;
        }
    }

    #[test]
    fn damaged_bytes_of_a_server_are_read_alike_or_refused(
        message in server_message(),
        damage in damage(),
    ) {
        let bytes = damaged(&message.encode(LiveForm::Proto), &damage);
        if let Ok(read_here) = ServerMessage::decode(LiveForm::Proto, &bytes) {
            check_same("ServerMessage", &bytes, &read_here.encode(LiveForm::Proto))?;
        }
    }
}

/// Whether the other implementation finds in `bytes` what we did.
fn check_same(name: &str, bytes: &[u8], again: &[u8]) -> Result<(), TestCaseError> {
    let told = |bytes| read(name, bytes).map(|message| without_defaults(json_of(&message)));
    let (theirs, ours) = (told(bytes), told(again));
    prop_assert!(theirs.is_some(), "not to be read, and was");
    // Cells and boards are put in order, and so are the places of voided claims; what has a
    // number is told by it.
    let is_ordered = |value: &Value| {
        let text = value.to_string();
        [
            "cells",
            "boards",
            "names",
            "own_rank",
            "board_name",
            "claim_voided",
        ]
        .iter()
        .any(|name| text.contains(&format!("\"{name}")))
    };
    if !theirs.as_ref().is_some_and(is_ordered) {
        prop_assert_eq!(theirs, ours);
    }
    Ok(())
}

#[test]
fn the_definition_is_served_as_it_was_compiled() {
    let file = POOL.get_file_by_name("huntcore/v1/huntcore.proto");
    let file = file.expect("compiled");
    assert_eq!(file.package_name(), "huntcore.v1");
    for message in file.messages() {
        assert!(DEFINITION.contains(&format!("message {} {{", message.name())));
    }
}
