//! Bodies whose items are each judged alone, as the OpenAPI document describes them.

use std::borrow::Cow;

use huntcore_wire::{BATCH_ITEMS_MAX, ClaimFor};
use utoipa::openapi::schema::{AnyOfBuilder, ArrayBuilder, Schema, SchemaFormat, SchemaType, Type};
use utoipa::openapi::{KnownFormat, ObjectBuilder, Ref, RefOr};
use utoipa::{PartialSchema, ToSchema};

/// An array of attempts. Any JSON is taken as an item: what is no attempt comes back as
/// `invalid`, and the others are decided.
pub(crate) enum BatchBody {}

/// Lines of JSON.
pub(crate) enum LinesBody {}

/// Messages of protobuf.
pub(crate) enum MessagesBody {}

impl PartialSchema for BatchBody {
    fn schema() -> RefOr<Schema> {
        let anything = ObjectBuilder::new()
            .schema_type(SchemaType::AnyValue)
            .description(Some("Anything else is answered by an `invalid` outcome."));
        let item = AnyOfBuilder::new()
            .item(Ref::from_schema_name(ClaimFor::name()))
            .item(anything);
        ArrayBuilder::new()
            .items(item)
            .max_items(Some(BATCH_ITEMS_MAX))
            .into()
    }
}

impl ToSchema for BatchBody {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("Batch")
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((ClaimFor::name().into_owned(), ClaimFor::schema()));
        ClaimFor::schemas(schemas);
    }
}

impl PartialSchema for LinesBody {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some("One JSON object a line; empty lines are skipped."))
            .into()
    }
}

impl ToSchema for LinesBody {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("Lines")
    }
}

impl PartialSchema for MessagesBody {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Binary)))
            .description(Some(
                "Messages of `/huntcore.v1.proto`, each behind its length as a varint.",
            ))
            .into()
    }
}

impl ToSchema for MessagesBody {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("Messages")
    }
}
