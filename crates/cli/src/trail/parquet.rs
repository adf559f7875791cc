//! One event a row, with columns of its own for what people ask about.
//!
//! Columns repeat what `data` says, so a reader checks that they do.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use huntcore_model::TimeMicros;
use huntcore_wire::{CloudEvent, CloudEventType, DataContentType, SpecVersion, Timestamp};
use parquet::basic::{Compression, ZstdLevel};
use parquet::data_type::{ByteArray, ByteArrayType, DataType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::reader::{FileReader as _, SerializedFileReader};
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::record::{Field, Row};
use parquet::schema::parser::parse_message_type;
use serde_json::Value;

use super::{Sink, TrailError, create};

/// Rows written together.
const ROWS_MAX: usize = 65_536;
/// And their bytes, about.
const ROWS_BYTES_MAX: usize = 64 << 20;

const SCHEMA: &str = "
message huntcore_trail {
  required binary id (STRING);
  required binary source (STRING);
  required binary type (STRING);
  optional binary subject (STRING);
  required int64 time (TIMESTAMP(MILLIS, true));
  required binary stream (STRING);
  required int64 sequence;
  optional binary hunt (STRING);
  optional int64 round;
  optional int64 tile;
  optional int64 points;
  optional int64 score;
  optional binary event_id (STRING);
  optional binary event_type (STRING);
  required binary data (JSON);
  required binary record;
  required binary personal;
}";

/// The columns that repeat what stands in `data`.
const REPEATED_TEXTS: [&str; 3] = ["hunt", "event_id", "event_type"];
const REPEATED_NUMBERS: [&str; 4] = ["round", "tile", "points", "score"];

/// Writes a file.
pub(crate) struct ParquetSink {
    path: PathBuf,
    writer: SerializedFileWriter<File>,
    rows: Vec<CloudEvent>,
    bytes: usize,
}

impl ParquetSink {
    pub(crate) fn create(path: &Path) -> Result<Self, TrailError> {
        let file = create(path)?;
        let open = || {
            let schema = Arc::new(parse_message_type(SCHEMA)?);
            let properties = WriterProperties::builder()
                .set_compression(Compression::ZSTD(ZstdLevel::default()))
                .build();
            SerializedFileWriter::new(file, schema, Arc::new(properties))
        };
        Ok(Self {
            writer: open().map_err(|source| failed(path, source))?,
            path: path.to_owned(),
            rows: Vec::new(),
            bytes: 0,
        })
    }

    fn write_rows(&mut self) -> Result<(), TrailError> {
        if self.rows.is_empty() {
            return Ok(());
        }
        let mut write = || {
            let mut group = self.writer.next_row_group()?;
            write_columns(&mut group, &self.rows)?;
            group.close()
        };
        write().map_err(|source| failed(&self.path, source))?;
        self.rows.clear();
        self.bytes = 0;
        Ok(())
    }
}

impl Sink for ParquetSink {
    fn put(&mut self, event: CloudEvent) -> Result<(), TrailError> {
        self.bytes += event.record.len() + event.personal.len();
        self.rows.push(event);
        if self.rows.len() >= ROWS_MAX || self.bytes >= ROWS_BYTES_MAX {
            self.write_rows()?;
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<(), TrailError> {
        self.write_rows()?;
        match self.writer.close() {
            Ok(_) => Ok(()),
            Err(source) => Err(failed(&self.path, source)),
        }
    }
}

fn failed(path: &Path, source: ParquetError) -> TrailError {
    TrailError::Parquet {
        path: path.to_owned(),
        source,
    }
}

type Group<'a> = SerializedRowGroupWriter<'a, File>;

/// Columns in the order of the schema.
fn write_columns(group: &mut Group<'_>, rows: &[CloudEvent]) -> Result<(), ParquetError> {
    let text = |text: &str| ByteArray::from(text.as_bytes().to_vec());
    let repeated_text = |row: &CloudEvent, name| row.data.get(name)?.as_str().map(text);
    let repeated_number = |row: &CloudEvent, name| row.data.get(name)?.as_i64();
    required::<ByteArrayType>(group, rows, |row| text(&row.id))?;
    required::<ByteArrayType>(group, rows, |row| text(&row.source))?;
    required::<ByteArrayType>(group, rows, |row| text(row.kind.name()))?;
    optional::<ByteArrayType>(group, rows, |row| row.subject.as_deref().map(text))?;
    required::<Int64Type>(group, rows, |row| {
        i64::try_from(row.time.micros().millis()).unwrap_or(i64::MAX)
    })?;
    required::<ByteArrayType>(group, rows, |row| text(&row.stream))?;
    required::<Int64Type>(group, rows, |row| row.sequence.parse().unwrap_or(i64::MAX))?;
    optional::<ByteArrayType>(group, rows, |row| repeated_text(row, "hunt"))?;
    for name in REPEATED_NUMBERS {
        optional::<Int64Type>(group, rows, |row| repeated_number(row, name))?;
    }
    optional::<ByteArrayType>(group, rows, |row| repeated_text(row, "event_id"))?;
    optional::<ByteArrayType>(group, rows, |row| repeated_text(row, "event_type"))?;
    required::<ByteArrayType>(group, rows, |row| text(&row.data.to_string()))?;
    required::<ByteArrayType>(group, rows, |row| ByteArray::from(row.record.clone()))?;
    required::<ByteArrayType>(group, rows, |row| ByteArray::from(row.personal.clone()))
}

fn required<T: DataType>(
    group: &mut Group<'_>,
    rows: &[CloudEvent],
    value: impl Fn(&CloudEvent) -> T::T,
) -> Result<(), ParquetError> {
    let values: Vec<T::T> = rows.iter().map(value).collect();
    write_column::<T>(group, &values, None)
}

fn optional<T: DataType>(
    group: &mut Group<'_>,
    rows: &[CloudEvent],
    value: impl Fn(&CloudEvent) -> Option<T::T>,
) -> Result<(), ParquetError> {
    let all: Vec<Option<T::T>> = rows.iter().map(value).collect();
    let levels: Vec<i16> = all.iter().map(|value| value.is_some().into()).collect();
    let values: Vec<T::T> = all.into_iter().flatten().collect();
    write_column::<T>(group, &values, Some(&levels))
}

fn write_column<T: DataType>(
    group: &mut Group<'_>,
    values: &[T::T],
    levels: Option<&[i16]>,
) -> Result<(), ParquetError> {
    let column = group.next_column()?;
    let mut column = column.ok_or_else(|| ParquetError::General("no such column".to_owned()))?;
    column.typed::<T>().write_batch(values, levels, None)?;
    column.close()
}

pub(super) fn read(
    path: &Path,
    file: File,
    mut take: impl FnMut(CloudEvent),
) -> Result<(), TrailError> {
    let reader = SerializedFileReader::new(file).map_err(|source| failed(path, source))?;
    let rows = reader
        .get_row_iter(None)
        .map_err(|source| failed(path, source))?;
    for (row, index) in rows.zip(0..) {
        let row = row.map_err(|source| failed(path, source))?;
        let event = event(&row).map_err(|reason| TrailError::Row {
            path: path.to_owned(),
            row: index,
            reason,
        })?;
        take(event);
    }
    Ok(())
}

/// A row as an event, if its columns are a trail's and agree with each other.
fn event(row: &Row) -> Result<CloudEvent, String> {
    let field = |name: &str| {
        let mut columns = row.get_column_iter();
        let found = columns.find(|(column, _)| *column == name);
        found
            .map(|(_, field)| field)
            .ok_or_else(|| format!("column {name} is missing"))
    };
    let odd = |name: &str, field: &Field| format!("column {name} holds {field}");
    let text = |name: &str| match field(name)? {
        Field::Str(text) => Ok(Some(text.clone())),
        Field::Bytes(bytes) => match bytes.as_utf8() {
            Ok(text) => Ok(Some(text.to_owned())),
            Err(_) => Err(format!("column {name} is no text")),
        },
        Field::Null => Ok(None),
        other => Err(odd(name, other)),
    };
    let number = |name: &str| match field(name)? {
        Field::Long(number) | Field::TimestampMillis(number) => Ok(Some(*number)),
        Field::Null => Ok(None),
        other => Err(odd(name, other)),
    };
    let bytes = |name: &str| match field(name)? {
        Field::Bytes(bytes) => Ok(bytes.data().to_vec()),
        other => Err(odd(name, other)),
    };
    let needed = |name: &str| text(name)?.ok_or_else(|| format!("column {name} is empty"));
    let unsigned = |name: &str| {
        let number = number(name)?.and_then(|number| u64::try_from(number).ok());
        number.ok_or_else(|| format!("column {name} is no such number"))
    };
    let data = needed("data")?;
    let data: Value = serde_json::from_str(&data).map_err(|error| format!("data: {error}"))?;
    for name in REPEATED_TEXTS {
        if text(name)?.as_deref() != data.get(name).and_then(Value::as_str) {
            return Err(format!("column {name} says something else than data"));
        }
    }
    for name in REPEATED_NUMBERS {
        if number(name)? != data.get(name).and_then(Value::as_i64) {
            return Err(format!("column {name} says something else than data"));
        }
    }
    let kind = Value::String(needed("type")?);
    let kind: CloudEventType =
        serde_json::from_value(kind).map_err(|error| format!("type: {error}"))?;
    Ok(CloudEvent {
        specversion: SpecVersion::V1,
        id: needed("id")?,
        source: needed("source")?,
        kind,
        subject: text("subject")?,
        time: Timestamp::new(TimeMicros::from_millis(unsigned("time")?)),
        datacontenttype: DataContentType::Json,
        stream: needed("stream")?,
        sequence: format!("{:020}", unsigned("sequence")?),
        record: bytes("record")?,
        personal: bytes("personal")?,
        position: None,
        data,
    })
}
