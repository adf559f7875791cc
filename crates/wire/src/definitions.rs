//! Boards that a hunt is given: what operators write, and what a hunt shows of it again.

use std::fmt;

use huntcore_model::{
    BoardClock, BoardDefinition, BoardName, BoardOperator, BoardOrder, BoardSource, CalendarUnit,
    RESULTS_MAX, WindowRule,
};
use serde::de::{Error, MapAccess, Visitor, value::MapAccessDeserializer};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, OneOfBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use crate::{DurationText, schema};

/// A board of a hunt, besides those that every hunt has (`boards` of `POST /v1/hunts` and
/// `PATCH /v1/hunts/{hunt}`, `[[hunt.board]]` in a configuration file).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BoardSpec {
    /// Its name; `total`, `best` and `second` are taken.
    #[schema(value_type = String, min_length = 1, max_length = 31, pattern = "^[a-z][a-z0-9-]{0,30}$", examples("friday"))]
    pub name: BoardName,
    /// What scores: the points of claims, score events, or both.
    pub from: BoardFrom,
    /// How a player's scores become one.
    pub operator: OperatorName,
    /// Which end is the top; `descending` if left out.
    #[serde(default)]
    pub order: OrderName,
    /// The parts of time that are counted each for itself; the whole hunt if left out.
    #[serde(default)]
    pub window: WindowText,
    /// The time zone of a calendar's or a cron expression's windows, as the tz database calls
    /// it; UTC if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 64, examples("Europe/Berlin"))]
    pub zone: Option<String>,
    /// Which time puts a score into a window: the server's if left out, or the event's own.
    #[serde(default)]
    pub time: ClockName,
    /// With the event's own time: how long after its end a window still takes events; not at
    /// all if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, pattern = "^[1-9][0-9]{0,7}(ms|s|m|h)$", examples("30s"))]
    pub lateness: Option<DurationText>,
    /// The types of events that count; all if empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<schema::EventType>, max_items = 32)]
    pub event_types: Vec<String>,
    /// How long a final window stays readable. Left out: an hour for windows shorter than a
    /// minute, a day for other windows of fixed length, 30 days for days, weeks, months and
    /// cron's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, pattern = "^[1-9][0-9]{0,7}(ms|s|m|h)$", examples("30s"))]
    pub keep: Option<DurationText>,
    /// How many of the best are written into the log when a window ends, or the hunt, for good;
    /// 0 for no record. Left out: 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(maximum = 1000, examples(100))]
    pub results: Option<u16>,
}

/// What scores on a board.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum BoardFrom {
    /// The points of claims.
    Claims,
    /// Score events.
    Events,
    /// Both.
    Both,
}

/// How a player's scores become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum OperatorName {
    /// They are added up.
    Sum,
    /// The highest counts.
    Max,
    /// The latest counts.
    Last,
    /// It counts how many there are.
    Count,
    /// The lowest counts.
    Min,
}

/// Which end of a board is its top.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum OrderName {
    /// The highest score ranks first.
    #[default]
    Descending,
    /// The lowest score ranks first.
    Ascending,
}

/// Which time puts a score into a window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ClockName {
    /// When it was taken.
    #[default]
    Server,
    /// When its sender says it happened.
    Event,
}

/// How time is cut: `"whole"`, a length such as `"10s"`, `"day"`, `"week"`, `"month"`, or
/// `{"cron": "0 18 * * 5"}`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum WindowText {
    /// The whole hunt is one window.
    #[default]
    Whole,
    /// Windows of one length.
    Length(DurationText),
    /// A calendar's days, weeks or months.
    Calendar(CalendarUnit),
    /// A window begins whenever the expression says so.
    Cron(String),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CronForm {
    cron: String,
}

impl BoardSpec {
    /// How many of a window's best are written down, if the operator says nothing.
    pub const RESULTS: u16 = 100;

    /// What an operator would write to define that board.
    #[must_use]
    pub fn of(definition: &BoardDefinition) -> Self {
        let (window, zone) = match &definition.window {
            WindowRule::Whole => (WindowText::Whole, None),
            WindowRule::Tumbling { length_ms } => (
                WindowText::Length(DurationText::from_millis(*length_ms)),
                None,
            ),
            WindowRule::Calendar { unit, zone } => {
                (WindowText::Calendar(*unit), Some(zone.name.clone()))
            }
            WindowRule::Cron { expression, zone } => (
                WindowText::Cron(expression.clone()),
                Some(zone.name.clone()),
            ),
        };
        let (time, lateness_ms) = match definition.clock {
            BoardClock::Server => (ClockName::Server, 0),
            BoardClock::Event { lateness_ms } => (ClockName::Event, lateness_ms),
        };
        let has_windows = window != WindowText::Whole;
        Self {
            name: definition.name,
            from: definition.from.into(),
            operator: definition.operator.into(),
            order: definition.order.into(),
            window,
            zone,
            time,
            lateness: (lateness_ms > 0).then(|| DurationText::from_millis(lateness_ms)),
            event_types: definition.event_types.clone(),
            keep: has_windows.then(|| DurationText::from_millis(definition.keep_ms)),
            results: Some(definition.results),
        }
    }
}

macro_rules! same_names {
    ($($text:ident = $model:ident { $($name:ident),+ })+) => {
        $(
            impl From<$text> for $model {
                fn from(name: $text) -> Self {
                    match name {
                        $($text::$name => Self::$name,)+
                    }
                }
            }

            impl From<$model> for $text {
                fn from(name: $model) -> Self {
                    match name {
                        $($model::$name => Self::$name,)+
                    }
                }
            }
        )+
    };
}

same_names! {
    BoardFrom = BoardSource { Claims, Events, Both }
    OperatorName = BoardOperator { Sum, Max, Last, Count, Min }
    OrderName = BoardOrder { Descending, Ascending }
}

impl Serialize for WindowText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let name = match self {
            Self::Whole => "whole",
            Self::Calendar(CalendarUnit::Day) => "day",
            Self::Calendar(CalendarUnit::Week) => "week",
            Self::Calendar(CalendarUnit::Month) => "month",
            Self::Length(length) => return length.serialize(serializer),
            Self::Cron(cron) => {
                let cron = cron.clone();
                return CronForm { cron }.serialize(serializer);
            }
        };
        serializer.serialize_str(name)
    }
}

impl<'de> Deserialize<'de> for WindowText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Window;

        impl<'de> Visitor<'de> for Window {
            type Value = WindowText;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(
                    "a window: \"whole\", a length such as \"10s\", \"day\", \"week\", \
                     \"month\" or {cron = \"0 18 * * 5\"}",
                )
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<WindowText, E> {
                Ok(match text {
                    "whole" => WindowText::Whole,
                    "day" => WindowText::Calendar(CalendarUnit::Day),
                    "week" => WindowText::Calendar(CalendarUnit::Week),
                    "month" => WindowText::Calendar(CalendarUnit::Month),
                    length => match length.parse() {
                        Ok(length) => WindowText::Length(length),
                        Err(_) => {
                            let found: String = length.chars().take(64).collect();
                            let found = serde::de::Unexpected::Str(&found);
                            return Err(E::invalid_value(found, &self));
                        }
                    },
                })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<WindowText, A::Error> {
                let form = CronForm::deserialize(MapAccessDeserializer::new(map))?;
                Ok(WindowText::Cron(form.cron))
            }
        }

        deserializer.deserialize_any(Window)
    }
}

impl PartialSchema for WindowText {
    fn schema() -> RefOr<Schema> {
        let cron = ObjectBuilder::new()
            .schema_type(Type::String)
            .min_length(Some(9))
            .max_length(Some(128))
            .description(Some(
                "Minute, hour, day of the month, month, day of the week: a window begins \
                 whenever all of them hold.",
            ))
            .examples(["0 18 * * 5"]);
        let cron = ObjectBuilder::new()
            .property("cron", cron)
            .required("cron")
            .additional_properties(Some(
                utoipa::openapi::schema::AdditionalProperties::<Schema>::FreeForm(false),
            ));
        let name = ObjectBuilder::new()
            .schema_type(Type::String)
            .pattern(Some("^(whole|day|week|month|[1-9][0-9]{0,7}(ms|s|m|h))$"))
            .description(Some(
                "`whole`, `day`, `week`, `month`, or a length of one second or more.",
            ))
            .examples(["10s", "day"]);
        OneOfBuilder::new().item(name).item(cron).into()
    }
}

impl ToSchema for WindowText {
    fn name() -> std::borrow::Cow<'static, str> {
        std::borrow::Cow::Borrowed("Window")
    }
}

// The schema says so by a number.
const _: () = assert!(RESULTS_MAX == 1_000);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_board_is_defined_in_few_words_and_shown_with_all() {
        let json = r#"{"name":"friday","from":"events","operator":"sum","window":{"cron":"0 18 * * 5"},"zone":"Europe/Berlin"}"#;
        let spec: BoardSpec = serde_json::from_str(json).expect("a definition");
        assert_eq!(
            (spec.order, spec.time, spec.results),
            (OrderName::Descending, ClockName::Server, None)
        );
        assert_eq!(spec.window, WindowText::Cron("0 18 * * 5".to_owned()));
        for definition in BoardDefinition::built_in() {
            let spec = BoardSpec::of(&definition);
            let json = serde_json::to_string(&spec).expect("plain data");
            assert_eq!(
                serde_json::from_str::<BoardSpec>(&json).expect("own JSON"),
                spec
            );
        }
    }

    #[test]
    fn windows_survive_their_text() {
        for (json, window) in [
            (r#""whole""#, WindowText::Whole),
            (r#""week""#, WindowText::Calendar(CalendarUnit::Week)),
            (
                r#""90s""#,
                WindowText::Length(DurationText::from_millis(90_000)),
            ),
            (
                r#"{"cron":"*/5 * * * *"}"#,
                WindowText::Cron("*/5 * * * *".to_owned()),
            ),
        ] {
            assert_eq!(
                serde_json::from_str::<WindowText>(json).expect(json),
                window
            );
            assert_eq!(serde_json::to_string(&window).expect("plain data"), json);
        }
    }

    #[test]
    fn what_is_no_window_is_told_with_what_is_one() {
        for bad in [r#""fortnight""#, r#""1d""#, r#""0s""#, "7", "[]", "null"] {
            let error = serde_json::from_str::<WindowText>(bad).expect_err(bad);
            assert!(error.to_string().contains("a length such as"), "{error}");
        }
        let error = serde_json::from_str::<WindowText>(r#"{"chron":""}"#).expect_err("misspelt");
        assert!(error.to_string().contains("chron"), "{error}");
    }

    #[test]
    fn a_misspelt_field_of_a_board_is_refused() {
        let json = r#"{"name":"a","from":"events","operator":"sum","lateness_ms":1}"#;
        let error = serde_json::from_str::<BoardSpec>(json).expect_err("misspelt");
        assert!(error.to_string().contains("lateness_ms"), "{error}");
    }
}
