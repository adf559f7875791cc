//! What a hunt is made of, from options or from a file.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::{ArgAction, Args};
use huntcore_model::HuntId;
use huntcore_wire::{BoardSpec, DurationText, HuntChange, HuntRequest, Timestamp, ValueRow};
use serde::Deserialize;
use serde_json::Value;

use crate::config::HuntSection;
use crate::output::Failed;

/// Create a hunt from options, or hunts from a file's [[hunt]] tables.
#[derive(Debug, Args)]
pub(super) struct Create {
    /// Its id; with --from, which of the file's hunts (all if none is named).
    #[arg(required_unless_present = "from")]
    hunt: Option<HuntId>,
    /// A TOML file with [[hunt]] tables, such as a server's configuration.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["area", "resolution", "round", "claim_window", "tiles", "starts_at", "ends_at", "values", "values_hidden"])]
    from: Option<PathBuf>,
    /// Where it takes place: a GeoJSON file.
    #[arg(long, value_name = "FILE", required_unless_present = "from")]
    area: Option<PathBuf>,
    /// The H3 resolution of its cells, 0 to 15.
    #[arg(long, required_unless_present = "from", value_parser = clap::value_parser!(u8).range(0..=15))]
    resolution: Option<u8>,
    /// From one round's opening to the next one's.
    #[arg(long, value_name = "DURATION", default_value = "1s")]
    round: DurationText,
    /// How long a round's tiles may be claimed.
    #[arg(long, value_name = "DURATION", default_value = "10s")]
    claim_window: DurationText,
    /// Tiles of one map.
    #[arg(long, required_unless_present = "from")]
    tiles: Option<u32>,
    /// When round 1 opens; at once if left out.
    #[arg(long, value_name = "TIME")]
    starts_at: Option<Timestamp>,
    /// No round opens at this time or later.
    #[arg(long, value_name = "TIME")]
    ends_at: Option<Timestamp>,
    /// What a tile may be worth, and how often; once for each row.
    #[arg(long = "value", value_name = "POINTS:WEIGHT")]
    values: Vec<ValueText>,
    /// Hide values until their round's seed is published.
    #[arg(long)]
    values_hidden: bool,
}

/// Change a hunt; what is left out stays. Rules hold from a future round on.
#[derive(Debug, Args)]
pub(super) struct Change {
    /// Its id.
    pub(super) hunt: HuntId,
    #[command(flatten)]
    what: What,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
struct What {
    /// Where it takes place: a GeoJSON file.
    #[arg(long, value_name = "FILE")]
    area: Option<PathBuf>,
    /// The H3 resolution of its cells, 0 to 15.
    #[arg(long, value_parser = clap::value_parser!(u8).range(0..=15))]
    resolution: Option<u8>,
    /// From one round's opening to the next one's.
    #[arg(long, value_name = "DURATION")]
    round: Option<DurationText>,
    /// How long a round's tiles may be claimed.
    #[arg(long, value_name = "DURATION")]
    claim_window: Option<DurationText>,
    /// Tiles of one map.
    #[arg(long)]
    tiles: Option<u32>,
    /// What a tile may be worth, and how often; once for each row.
    #[arg(long = "value", value_name = "POINTS:WEIGHT")]
    values: Vec<ValueText>,
    /// Whether values stay hidden until their round's seed is published.
    #[arg(long, value_name = "BOOL", action = ArgAction::Set)]
    values_hidden: Option<bool>,
    /// No round opens at this time or later; `never` removes the end.
    #[arg(long, value_name = "TIME")]
    ends_at: Option<EndText>,
    /// The boards that this TOML file gives the hunt, in its [[hunt.board]] tables.
    #[arg(long, value_name = "FILE")]
    boards: Option<PathBuf>,
}

/// A row of a table of values: `POINTS:WEIGHT`.
#[derive(Clone, Copy, Debug)]
struct ValueText(ValueRow);

/// A time, or `never`.
#[derive(Clone, Copy, Debug)]
struct EndText(Option<Timestamp>);

#[derive(Debug, thiserror::Error)]
#[error("expected POINTS:WEIGHT, such as 5:20")]
struct ValueTextError;

impl FromStr for ValueText {
    type Err = ValueTextError;

    fn from_str(text: &str) -> Result<Self, ValueTextError> {
        let (points, weight) = text.split_once(':').ok_or(ValueTextError)?;
        let number = |text: &str| text.parse::<u32>().map_err(|_| ValueTextError);
        Ok(Self(ValueRow {
            points: number(points)?,
            weight: number(weight)?,
        }))
    }
}

impl FromStr for EndText {
    type Err = huntcore_wire::TimestampError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "never" => Ok(Self(None)),
            text => Ok(Self(Some(text.parse()?))),
        }
    }
}

/// The part of a file that is of hunts; the rest may be a server's configuration.
#[derive(Deserialize)]
struct HuntFile {
    #[serde(default)]
    hunt: Vec<HuntSection>,
}

impl HuntFile {
    fn read(path: &Path) -> Result<Self, Failed> {
        let shown = path.display();
        let text = std::fs::read_to_string(path)
            .map_err(|error| Failed::new(format!("cannot read {shown}: {error}")))?;
        toml::from_str(&text)
            .map_err(|error| Failed::new(format!("{shown}: {}", error.to_string().trim_end())))
    }
}

impl Create {
    pub(super) fn requests(&self) -> Result<Vec<HuntRequest>, Failed> {
        if let Some(path) = &self.from {
            return self.read_file(path);
        }
        let (Some(id), Some(area), Some(resolution), Some(tiles)) =
            (&self.hunt, &self.area, self.resolution, self.tiles)
        else {
            return Err(Failed::new(
                "a hunt needs an id, --area, --resolution and --tiles",
            ));
        };
        let values = if self.values.is_empty() {
            ValueRow::default_table()
        } else {
            self.values.iter().map(|value| value.0).collect()
        };
        Ok(vec![HuntRequest {
            id: id.clone(),
            area: read_area(area)?,
            resolution,
            round: self.round,
            claim_window: self.claim_window,
            tiles,
            starts_at: self.starts_at,
            ends_at: self.ends_at,
            values,
            values_hidden: self.values_hidden,
            boards: Vec::new(),
        }])
    }

    fn read_file(&self, path: &Path) -> Result<Vec<HuntRequest>, Failed> {
        let shown = path.display();
        let file = HuntFile::read(path)?;
        let folder = path.parent().unwrap_or(Path::new(""));
        let named = |hunt: &HuntSection| self.hunt.as_ref().is_none_or(|id| *id == hunt.id);
        let mut requests = Vec::new();
        for mut hunt in file.hunt.into_iter().filter(named) {
            let area = hunt.area.as_mut();
            *area = folder.join(&*area);
            requests.push(hunt.request()?);
        }
        match (requests.is_empty(), &self.hunt) {
            (false, _) => Ok(requests),
            (true, None) => Err(Failed::new(format!("{shown} has no [[hunt]]"))),
            (true, Some(id)) => Err(Failed::new(format!("{shown} has no hunt {id}"))),
        }
    }
}

impl Change {
    fn boards(&self) -> Result<Option<Vec<BoardSpec>>, Failed> {
        let Some(path) = &self.what.boards else {
            return Ok(None);
        };
        let file = HuntFile::read(path)?;
        let mut hunts = file.hunt.iter();
        match hunts.find(|hunt| hunt.id == self.hunt) {
            Some(hunt) => Ok(Some(hunt.boards())),
            None => Err(Failed::new(format!(
                "{} has no hunt {}",
                path.display(),
                self.hunt
            ))),
        }
    }

    pub(super) fn request(&self) -> Result<HuntChange, Failed> {
        let what = &self.what;
        let rows = what.values.iter().map(|value| value.0);
        Ok(HuntChange {
            area: what.area.as_deref().map(read_area).transpose()?,
            resolution: what.resolution,
            round: what.round,
            claim_window: what.claim_window,
            tiles: what.tiles,
            values: (!what.values.is_empty()).then(|| rows.collect()),
            values_hidden: what.values_hidden,
            ends_at: what.ends_at.map(|end| end.0),
            boards: self.boards()?,
        })
    }
}

fn read_area(path: &Path) -> Result<Value, Failed> {
    let shown = path.display();
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failed::new(format!("cannot read {shown}: {error}")))?;
    serde_json::from_str(&text).map_err(|error| Failed::new(format!("{shown}: {error}")))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    enum Line {
        Create(Box<Create>),
        Change(Box<Change>),
    }

    fn create(arguments: &[&str]) -> Result<Vec<HuntRequest>, String> {
        let line = ["hunt", "create"].iter().chain(arguments);
        match Line::try_parse_from(line).map_err(|error| error.to_string())? {
            Line::Create(create) => create.requests().map_err(|error| error.to_string()),
            Line::Change(_) => unreachable!("create was asked for"),
        }
    }

    fn change(arguments: &[&str]) -> Result<HuntChange, String> {
        let line = ["hunt", "change", "park"].iter().chain(arguments);
        match Line::try_parse_from(line).map_err(|error| error.to_string())? {
            Line::Change(change) => change.request().map_err(|error| error.to_string()),
            Line::Create(_) => unreachable!("change was asked for"),
        }
    }

    #[test]
    fn a_hunt_is_made_of_options() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let area = folder.path().join("area.geojson");
        std::fs::write(&area, r#"{"type":"Polygon"}"#).expect("written");
        let area = area.to_str().expect("a plain name");
        let line = [
            "park",
            "--area",
            area,
            "--resolution",
            "12",
            "--tiles",
            "64",
            "--value",
            "5:20",
            "--value",
            "9:1",
        ];
        let request = &create(&line).expect("enough")[0];
        assert_eq!(request.area["type"], "Polygon");
        assert_eq!(
            (request.round.millis(), request.claim_window.millis()),
            (1_000, 10_000)
        );
        let rows: Vec<_> = request
            .values
            .iter()
            .map(|row| (row.points, row.weight))
            .collect();
        assert_eq!(rows, [(5, 20), (9, 1)]);
        for (missing, named) in [("--area", "--area"), ("--tiles", "--tiles")] {
            let at = line
                .iter()
                .position(|word| *word == missing)
                .expect("there");
            let fewer = [&line[..at], &line[at + 2..]].concat();
            let error = create(&fewer).expect_err("something is missing");
            assert!(error.contains(named), "{error}");
        }
    }

    #[test]
    fn hunts_are_taken_from_a_servers_configuration() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(folder.path().join("a.json"), "{}").expect("written");
        let table = |id| {
            format!(
                "[[hunt]]\nid = \"{id}\"\narea = \"a.json\"\nresolution = 9\nround = \"1s\"\n\
                 claim_window = \"5s\"\ntiles = 3\n"
            )
        };
        let path = folder.path().join("huntcore.toml");
        let text = format!(
            "listen = \"127.0.0.1:1\"\n{}{}",
            table("park"),
            table("pool")
        );
        std::fs::write(&path, text).expect("written");
        let path = path.to_str().expect("a plain name");
        assert_eq!(create(&["--from", path]).expect("both").len(), 2);
        assert_eq!(
            create(&["pool", "--from", path]).expect("one")[0]
                .id
                .as_str(),
            "pool"
        );
        let error = create(&["lake", "--from", path]).expect_err("none");
        assert!(error.contains("no hunt lake"), "{error}");
    }

    #[test]
    fn a_change_says_what_changes_and_nothing_else() {
        let request = change(&["--tiles", "7", "--ends-at", "never"]).expect("good");
        assert_eq!(
            serde_json::to_string(&request).expect("plain data"),
            r#"{"tiles":7,"ends_at":null}"#
        );
        assert!(change(&[]).is_err(), "nothing to change");
        assert!(change(&["--value", "5"]).is_err());
    }
}
