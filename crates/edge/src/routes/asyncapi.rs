//! The live socket's document, `docs/asyncapi/huntcore.v1.json`: AsyncAPI has the words for it
//! that OpenAPI lacks.
//!
//! It is written by hand but for its schemas, which are those of `huntcore-wire`; a test sees to
//! it, and writes them anew when told to.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, header};

use super::answers;

const DOCUMENT: &str = include_str!("../../../../docs/asyncapi/huntcore.v1.json");

/// The document.
pub(super) async fn document() -> Response {
    let headers = [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        ),
        (header::CACHE_CONTROL, answers::ASK_FIRST),
    ];
    (headers, DOCUMENT).into_response()
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::path::Path;

    use huntcore_wire::{ClientMessage, CloseCode, LiveForm, ServerMessage};
    use serde_json::{Value, json};
    use utoipa::{PartialSchema as _, ToSchema};

    use super::*;

    /// Set, the test writes the schemas into the document instead of comparing them.
    const WRITE: &str = "HUNTCORE_WRITE_DOCUMENTS";

    fn parsed() -> Value {
        serde_json::from_str(DOCUMENT).expect("the document is JSON")
    }

    /// The schemas of all that stands in the socket's messages.
    fn schemas() -> Value {
        let mut found = Vec::new();
        ClientMessage::schemas(&mut found);
        ServerMessage::schemas(&mut found);
        let by_name: BTreeMap<_, _> = found.into_iter().collect();
        let mut schemas = serde_json::to_value(by_name).expect("schemas are plain data");
        // What a client sends may have no other members than those named, and the schema that
        // says so has to name the `type` itself.
        let sent = serde_json::to_value(ClientMessage::schema()).expect("plain data");
        for (tag, reference) in types(&sent) {
            let name = reference.strip_prefix("#/components/schemas/");
            let schema = &mut schemas[name.expect("a reference to a schema")];
            assert_eq!(schema["additionalProperties"], json!(false), "{reference}");
            schema["properties"]["type"] = json!({ "const": tag });
        }
        schemas
    }

    /// The `type`s of the messages, by the schema that each of them has.
    fn types(schema: &Value) -> BTreeMap<String, String> {
        let branches = schema["oneOf"].as_array().expect("one of several messages");
        let tagged = branches.iter().map(|branch| {
            let parts = branch["allOf"]
                .as_array()
                .expect("the message and its type");
            let reference = parts.iter().find_map(|part| part["$ref"].as_str());
            let name = parts
                .iter()
                .find_map(|part| part["properties"]["type"]["enum"][0].as_str());
            (
                name.expect("a type").to_owned(),
                reference.expect("a schema").to_owned(),
            )
        });
        tagged.collect()
    }

    fn references<'a>(value: &'a Value, found: &mut BTreeSet<&'a str>) {
        match value {
            Value::Object(members) => {
                for (key, member) in members {
                    match member {
                        Value::String(target) if key == "$ref" => {
                            found.insert(target);
                        }
                        _ => references(member, found),
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            _ => {}
        }
    }

    #[test]
    fn the_documents_schemas_are_those_of_the_messages() {
        let mut document = parsed();
        if std::env::var_os(WRITE).is_some() {
            document["components"]["schemas"] = schemas();
            let path =
                Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/asyncapi/huntcore.v1.json");
            let mut text = serde_json::to_string_pretty(&document).expect("plain data");
            text.push('\n');
            std::fs::write(&path, text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
            return;
        }
        assert_eq!(
            document["components"]["schemas"],
            schemas(),
            "after a change of the messages: {WRITE}=1 cargo test -p huntcore-edge asyncapi"
        );
    }

    #[test]
    fn the_document_names_every_message_with_its_own_schema() {
        let document = parsed();
        let mut expected = BTreeMap::new();
        for schema in [ClientMessage::schema(), ServerMessage::schema()] {
            expected.extend(types(&serde_json::to_value(schema).expect("plain data")));
        }
        let messages = document["components"]["messages"]
            .as_object()
            .expect("messages by name");
        let named: BTreeMap<String, String> = messages
            .iter()
            .filter(|(_, message)| message["contentType"] == "application/json")
            .map(|(name, message)| {
                let [schema, tag] = [0, 1].map(|part| &message["payload"]["allOf"][part]);
                assert_eq!(tag["properties"]["type"]["const"], json!(name));
                (
                    name.clone(),
                    schema["$ref"].as_str().expect("a schema").to_owned(),
                )
            })
            .collect();
        assert_eq!(named, expected);
        for name in named.keys() {
            let reference = json!({ "$ref": format!("#/components/messages/{name}") });
            assert_eq!(document["channels"]["json"]["messages"][name], reference);
        }
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let document = parsed();
        let mut found = BTreeSet::new();
        references(&document, &mut found);
        for target in found {
            let pointer = target.strip_prefix('#');
            let leads = pointer.map_or(target == "/huntcore.v1.proto", |pointer| {
                document.pointer(pointer).is_some()
            });
            assert!(leads, "{target}");
        }
    }

    #[test]
    fn the_document_says_every_subprotocol_and_close_code() {
        let document = parsed();
        let codes = document["x-close-codes"].as_object().expect("by number");
        for code in 1_000..5_000 {
            assert_eq!(
                codes.contains_key(&code.to_string()),
                CloseCode::from_code(code).is_some(),
                "{code}"
            );
        }
        for form in LiveForm::ALL {
            let channels = document["channels"].to_string();
            assert!(channels.contains(form.protocol()), "{}", form.protocol());
        }
    }
}
