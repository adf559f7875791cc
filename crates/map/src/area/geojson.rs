//! `GeoJSON` (RFC 7946) into rings of numbers; the rings' geometry is checked elsewhere.
//!
//! Read by hand from JSON, so that every error can name its place in the document.

use serde_json::{Map, Value};

use super::{AreaError, AreaFault, VERTICES_MAX, Vertex};

/// A polygon as it stands in the document.
pub(super) struct Draft {
    /// Where its coordinates stand.
    pub(super) at: String,
    /// The outline and the holes, each with its closing position.
    pub(super) rings: Vec<Vec<Vertex>>,
}

/// Every polygon of the document; at least one.
pub(super) fn read(document: &Value) -> Result<Vec<Draft>, AreaError> {
    let mut reader = Reader {
        drafts: Vec::new(),
        vertices: 0,
    };
    reader.object(document, String::new())?;
    if reader.drafts.is_empty() {
        return Err(AreaFault::NoPolygon.at(String::new()));
    }
    Ok(reader.drafts)
}

struct Reader {
    drafts: Vec<Draft>,
    vertices: usize,
}

impl Reader {
    /// A geometry, a Feature or a collection. Recursion ends where the JSON parser's does.
    fn object(&mut self, value: &Value, at: String) -> Result<(), AreaError> {
        let Value::Object(object) = value else {
            return Err(expected("a GeoJSON object", value, at));
        };
        let Some(Value::String(kind)) = object.get("type") else {
            let found = object.get("type").unwrap_or(&Value::Null);
            return Err(expected("a GeoJSON type", found, member(&at, "type")));
        };
        let not_polygonal = |found| Err(AreaFault::NotPolygonal { found }.at(at.clone()));
        match kind.as_str() {
            "FeatureCollection" => self.each(object, "features", &at, Self::object),
            "GeometryCollection" => self.each(object, "geometries", &at, Self::object),
            "Feature" => {
                let geometry = object.get("geometry").unwrap_or(&Value::Null);
                self.object(geometry, member(&at, "geometry"))
            }
            "Polygon" => {
                let coordinates = object.get("coordinates").unwrap_or(&Value::Null);
                self.polygon(coordinates, member(&at, "coordinates"))
            }
            "MultiPolygon" => self.each(object, "coordinates", &at, Self::polygon),
            "Point" => not_polygonal("Point"),
            "MultiPoint" => not_polygonal("MultiPoint"),
            "LineString" => not_polygonal("LineString"),
            "MultiLineString" => not_polygonal("MultiLineString"),
            _ => Err(expected(
                "a GeoJSON type",
                &object["type"],
                member(&at, "type"),
            )),
        }
    }

    fn each(
        &mut self,
        object: &Map<String, Value>,
        name: &str,
        at: &str,
        read: fn(&mut Self, &Value, String) -> Result<(), AreaError>,
    ) -> Result<(), AreaError> {
        let at = member(at, name);
        let values = array(object.get(name).unwrap_or(&Value::Null), &at)?;
        for (index, value) in values.iter().enumerate() {
            read(self, value, item(&at, index))?;
        }
        Ok(())
    }

    fn polygon(&mut self, value: &Value, at: String) -> Result<(), AreaError> {
        let mut rings = Vec::new();
        for (index, ring) in array(value, &at)?.iter().enumerate() {
            rings.push(self.ring(ring, &item(&at, index))?);
        }
        if rings.is_empty() {
            return Err(AreaFault::NoPolygon.at(at));
        }
        self.drafts.push(Draft { at, rings });
        Ok(())
    }

    fn ring(&mut self, value: &Value, at: &str) -> Result<Vec<Vertex>, AreaError> {
        let positions = array(value, at)?;
        // The closing position is no vertex of its own.
        self.vertices += positions.len().saturating_sub(1);
        if self.vertices > VERTICES_MAX {
            return Err(AreaFault::TooManyVertices.at(String::new()));
        }
        let positions = positions.iter().enumerate();
        positions
            .map(|(index, position)| vertex(position, &item(at, index)))
            .collect()
    }
}

fn vertex(value: &Value, at: &str) -> Result<Vertex, AreaError> {
    let position = array(value, at)?;
    let [longitude, latitude, ..] = position else {
        let fault = AreaFault::NotGeoJson {
            expected: "a position of longitude and latitude",
            found: format!("an array of {}", position.len()),
        };
        return Err(fault.at(at.to_owned()));
    };
    Ok(Vertex {
        longitude: degrees(longitude, "longitude", 180.0, at, 0)?,
        latitude: degrees(latitude, "latitude", 90.0, at, 1)?,
    })
}

fn degrees(
    value: &Value,
    axis: &'static str,
    limit: f64,
    at: &str,
    index: usize,
) -> Result<f64, AreaError> {
    let Some(degrees) = value.as_f64() else {
        return Err(expected("a number", value, item(at, index)));
    };
    // JSON has no infinite numbers, and no other number that is not in a range or out of it.
    if !(-limit..=limit).contains(&degrees) {
        let fault = AreaFault::OutOfRange {
            axis,
            degrees,
            limit,
        };
        return Err(fault.at(item(at, index)));
    }
    // -0 and 0 are the same place and have to be the same text.
    Ok(degrees + 0.0)
}

fn array<'value>(value: &'value Value, at: &str) -> Result<&'value [Value], AreaError> {
    match value {
        Value::Array(items) => Ok(items),
        other => Err(expected("an array", other, at.to_owned())),
    }
}

fn expected(expected: &'static str, found: &Value, at: String) -> AreaError {
    let found = match found {
        Value::Null => "nothing".to_owned(),
        Value::Bool(_) => "a boolean".to_owned(),
        Value::Number(number) => format!("the number {number}"),
        Value::String(text) => format!("{:?}", text.chars().take(40).collect::<String>()),
        Value::Array(items) => format!("an array of {}", items.len()),
        Value::Object(_) => "an object".to_owned(),
    };
    AreaFault::NotGeoJson { expected, found }.at(at)
}

fn member(at: &str, name: &str) -> String {
    if at.is_empty() {
        name.to_owned()
    } else {
        format!("{at}.{name}")
    }
}

pub(super) fn item(at: &str, index: usize) -> String {
    format!("{at}[{index}]")
}
