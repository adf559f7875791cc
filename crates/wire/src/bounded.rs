//! Limits on free text, kept as it is read.

use serde::de::Error;
use serde::{Deserialize, Deserializer};

use crate::{POSITION_TEXT_BYTES_MAX, PositionText};

/// A text of `MIN` to `MAX` bytes.
pub(crate) fn text<'de, D, const MIN: usize, const MAX: usize>(
    deserializer: D,
) -> Result<String, D::Error>
where
    D: Deserializer<'de>,
{
    let text = String::deserialize(deserializer)?;
    if (MIN..=MAX).contains(&text.len()) {
        Ok(text)
    } else {
        Err(D::Error::custom(format_args!(
            "text has {} bytes, expected {MIN} to {MAX}",
            text.len()
        )))
    }
}

/// A text of `MIN` to `MAX` bytes, or none.
pub(crate) fn option_text<'de, D, const MIN: usize, const MAX: usize>(
    deserializer: D,
) -> Result<Option<String>, D::Error>
where
    D: Deserializer<'de>,
{
    #[derive(Deserialize)]
    #[serde(transparent)]
    struct Bounded<const MIN: usize, const MAX: usize>(
        #[serde(deserialize_with = "text::<_, MIN, MAX>")] String,
    );
    let text = Option::<Bounded<MIN, MAX>>::deserialize(deserializer)?;
    Ok(text.map(|text| text.0))
}

/// A position's text, or none.
pub(crate) fn option_position<'de, D>(deserializer: D) -> Result<Option<PositionText>, D::Error>
where
    D: Deserializer<'de>,
{
    option_text::<_, 0, POSITION_TEXT_BYTES_MAX>(deserializer)
        .map(|text| text.map(PositionText::new))
}
