//! `OpenAPI` schemas of the model's ids, which themselves know nothing of `OpenAPI`.
//!
//! Each is a type without values, named in `value_type` where a message holds the id.
//! Lengths are in characters here, as `OpenAPI` counts; the ids' own limits are in bytes of
//! UTF-8, so a text of many multi-byte characters may still be refused.

use std::borrow::Cow;

use huntcore_model::{Flag, OutcomeKind};
use serde_json::Value;
use utoipa::openapi::schema::{
    AdditionalProperties, ArrayBuilder, ObjectBuilder, OneOfBuilder, Schema, SchemaFormat,
    SchemaType, Type,
};
use utoipa::openapi::{KnownFormat, RefOr};
use utoipa::{PartialSchema, ToSchema};

use crate::{INTEREST_BOARDS_MAX, INTEREST_CELLS_MAX};

macro_rules! schema_of {
    ($(#[$meta:meta])* $name:ident, $builder:expr) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug)]
        pub enum $name {}

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                let builder: ObjectBuilder = $builder;
                builder.into()
            }
        }

        impl ToSchema for $name {
            fn name() -> Cow<'static, str> {
                Cow::Borrowed(stringify!($name))
            }
        }
    };
}

schema_of! {
    /// A hunt's public name.
    HuntId,
    text("A hunt's public name: a slug.", 1, 64, "park").pattern(Some("^[a-z0-9][a-z0-9_-]{0,63}$"))
}
schema_of! {
    /// A player's id.
    PlayerId,
    text("A player's id: any UTF-8 up to 64 bytes.", 1, 64, "ada")
}
schema_of! {
    /// A board's name.
    BoardName,
    text(
        "A board's name. Every hunt has `total`, `best` and `second`; others are its own.",
        1,
        31,
        "total",
    )
    .pattern(Some("^[a-z][a-z0-9-]{0,30}$"))
}
schema_of! {
    /// A score event's id.
    EventId,
    text("With the player, a score event's identity: any UTF-8 up to 128 bytes.", 1, 128, "e-81f3")
}
schema_of! {
    /// A score event's type.
    EventType,
    text("What kind of thing scored: any UTF-8 up to 64 bytes.", 1, 64, "quest")
}
schema_of! {
    /// A round's number.
    RoundNumber,
    integer("A round of a hunt, counted by the clock from 1.", 1, 9_007_199_254_740_991, 42)
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)))
}
schema_of! {
    /// A tile's number.
    TileIndex,
    integer("A tile of a round's map, counted from 0.", 0, 1_048_575, 17)
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int32)))
}
schema_of! {
    /// A score.
    Score,
    integer(
        "An integer within ±(2^53-1), which JSON carries exactly everywhere.",
        -9_007_199_254_740_991,
        9_007_199_254_740_991,
        1_250,
    )
    .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)))
}
schema_of! {
    /// 32 bytes in hex.
    Hash,
    text(
        "32 bytes as lower-case hex.",
        64,
        64,
        "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    )
    .pattern(Some("^[0-9a-f]{64}$"))
}
schema_of! {
    /// An H3 cell.
    Cell,
    text("An H3 cell index in lower-case hex without padding.", 15, 16, "8c1fb46741ae1ff")
        .pattern(Some("^[1-9a-f][0-9a-f]{14,15}$"))
}
schema_of! {
    /// A position.
    Position,
    text(
        "How far each stream of the log has been seen. Opaque: hand it back, never look into it.",
        2,
        16_416,
        "AQA",
    )
    .pattern(Some("^[A-Za-z0-9_-]+$"))
}
schema_of! {
    /// A point in time.
    Timestamp,
    text("RFC 3339, UTC; milliseconds in answers.", 20, 40, "2026-11-22T10:00:00.000Z")
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
}
schema_of! {
    /// A length of time.
    Duration,
    text("A whole number and its unit: ms, s, m or h.", 2, 12, "10s")
        .pattern(Some("^[1-9][0-9]{0,7}(ms|s|m|h)$"))
}
schema_of! {
    /// An outcome's name.
    OutcomeName,
    ObjectBuilder::new()
        .schema_type(Type::String)
        .description(Some("What came of an attempt."))
        .enum_values(Some(OutcomeKind::ALL.map(OutcomeKind::name)))
}
schema_of! {
    /// A flag's name.
    FlagName,
    ObjectBuilder::new()
        .schema_type(Type::String)
        .description(Some("What can be switched."))
        .enum_values(Some(Flag::ALL.map(Flag::name)))
}
schema_of! {
    /// Any JSON.
    AnyJson,
    ObjectBuilder::new().schema_type(SchemaType::AnyValue).description(Some("Any JSON value."))
}
schema_of! {
    /// An area in `GeoJSON`.
    Area,
    ObjectBuilder::new()
        .description(Some(
            "GeoJSON (RFC 7946): a Polygon or MultiPolygon, or a Feature or FeatureCollection of them.",
        ))
        .property("type", ObjectBuilder::new().schema_type(Type::String).enum_values(Some([
            "Polygon",
            "MultiPolygon",
            "Feature",
            "FeatureCollection",
        ])))
        .required("type")
        .examples([square()])
}

/// What of a hunt a socket wants to hear.
#[derive(Clone, Copy, Debug)]
pub enum Interest {}

impl PartialSchema for Interest {
    fn schema() -> RefOr<Schema> {
        let list = |name: &str, description: &str, items: RefOr<Schema>, items_max| {
            let list = ArrayBuilder::new()
                .items(items)
                .description(Some(description))
                .min_items(Some(1))
                .max_items(Some(items_max));
            ObjectBuilder::new()
                .schema_type(Type::Object)
                .property(name, list)
                .required(name)
                .additional_properties(Some(AdditionalProperties::FreeForm(false)))
        };
        OneOfBuilder::new()
            .description(Some("What of the hunt to hear."))
            .item(list(
                "cells",
                "Rounds, boards, and of the claims those in these H3 cells, of any resolution up \
                 to the hunt's.",
                Cell::schema(),
                INTEREST_CELLS_MAX,
            ))
            .item(list(
                "boards",
                "These boards and what the hunt is doing; no rounds and no claims.",
                BoardName::schema(),
                INTEREST_BOARDS_MAX,
            ))
            .into()
    }
}

impl ToSchema for Interest {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("Interest")
    }
}

fn text(description: &str, length_min: usize, length_max: usize, example: &str) -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .description(Some(description))
        .min_length(Some(length_min))
        .max_length(Some(length_max))
        .examples([example])
}

fn integer(description: &str, minimum: isize, maximum: isize, example: i64) -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::Integer)
        .description(Some(description))
        .minimum(Some(minimum))
        .maximum(Some(maximum))
        .examples([example])
}

fn square() -> Value {
    serde_json::json!({
        "type": "Polygon",
        "coordinates": [[[13.36, 52.51], [13.37, 52.51], [13.37, 52.52], [13.36, 52.52], [13.36, 52.51]]],
    })
}

#[cfg(test)]
mod tests {
    use utoipa::OpenApi;

    use crate::{
        BoardView, CellsView, ClaimAnswer, ClaimFor, ClaimItem, ClaimRequest, ClientMessage,
        CorrectionAnswer, CorrectionRequest, EventRequest, EventsAnswer, FlagList, FlagRequest,
        GuestAnswer, GuestRequest, HuntChange, HuntList, HuntRequest, HuntView, MapView, Problem,
        RoundView, ServerMessage, StandingView, Stats,
    };

    #[derive(OpenApi)]
    #[openapi(components(schemas(
        BoardView,
        CellsView,
        ClaimAnswer,
        ClaimFor,
        ClaimItem,
        ClaimRequest,
        ClientMessage,
        CorrectionAnswer,
        CorrectionRequest,
        EventRequest,
        EventsAnswer,
        FlagList,
        FlagRequest,
        GuestAnswer,
        GuestRequest,
        HuntChange,
        HuntList,
        HuntRequest,
        HuntView,
        MapView,
        Problem,
        RoundView,
        ServerMessage,
        StandingView,
        Stats,
    )))]
    struct Document;

    fn components() -> serde_json::Value {
        let document = serde_json::to_value(Document::openapi()).expect("plain data");
        document["components"].clone()
    }

    fn references(value: &serde_json::Value, found: &mut Vec<String>) {
        match value {
            serde_json::Value::Object(members) => {
                for (key, member) in members {
                    match member {
                        serde_json::Value::String(target) if key == "$ref" => {
                            found.push(target.clone());
                        }
                        _ => references(member, found),
                    }
                }
            }
            serde_json::Value::Array(items) => {
                items.iter().for_each(|item| references(item, found));
            }
            _ => {}
        }
    }

    #[test]
    fn every_reference_finds_its_schema() {
        let components = components();
        let mut found = Vec::new();
        references(&components, &mut found);
        assert!(!found.is_empty());
        for target in found {
            let name = target
                .strip_prefix("#/components/schemas/")
                .expect("references point at schemas");
            assert!(components["schemas"].get(name).is_some(), "{target}");
        }
    }

    #[test]
    fn a_request_admits_no_other_fields() {
        let components = components();
        for name in [
            "ClaimRequest",
            "BoardSpec",
            "ClaimFor",
            "CorrectionRequest",
            "EventRequest",
            "FlagRequest",
            "GuestRequest",
            "HuntRequest",
            "HuntChange",
        ] {
            assert_eq!(
                components["schemas"][name]["additionalProperties"],
                serde_json::json!(false),
                "{name}"
            );
        }
        assert!(
            components["schemas"]["Problem"]
                .get("additionalProperties")
                .is_none()
        );
    }

    #[test]
    fn an_attempts_schema_states_its_limits() {
        let schema = &components()["schemas"]["ClaimRequest"];
        assert_eq!(schema["required"], serde_json::json!(["round", "tile"]));
        assert_eq!(
            schema["properties"]["answer"]["maxLength"],
            serde_json::json!(256)
        );
        let round = &components()["schemas"]["RoundNumber"];
        assert_eq!(round["minimum"], serde_json::json!(1));
        assert_eq!(
            round["maximum"],
            serde_json::json!(9_007_199_254_740_991_u64)
        );
    }
}
