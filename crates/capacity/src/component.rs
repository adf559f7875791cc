//! The components that costs are told by, and the parts that they are made of.

use std::fmt;
use std::str::FromStr;

/// A component of the program: what is measured, scaled and paid for as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Component {
    /// HTTP and the sockets, but for the fan-out: requests, claims, outcomes, handshakes.
    Edge,
    /// Deciding.
    Arbiter,
    /// Making decisions durable.
    Log,
    /// Leaderboards.
    Boards,
    /// Framing changes and sending them to everybody.
    Broadcast,
    /// What writes committed records elsewhere.
    Sinks,
}

impl Component {
    /// All of them, in the order in which an attempt meets them.
    pub const ALL: [Self; 6] = [
        Self::Edge,
        Self::Arbiter,
        Self::Log,
        Self::Boards,
        Self::Broadcast,
        Self::Sinks,
    ];

    /// As in paths, labels and files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Edge => "edge",
            Self::Arbiter => "arbiter",
            Self::Log => "log",
            Self::Boards => "boards",
            Self::Broadcast => "broadcast",
            Self::Sinks => "sinks",
        }
    }
}

impl fmt::Display for Component {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}

/// A text that names no component.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no such component; there are edge, arbiter, log, boards, broadcast and sinks")]
pub struct UnknownComponent;

impl FromStr for Component {
    type Err = UnknownComponent;

    fn from_str(text: &str) -> Result<Self, UnknownComponent> {
        let named = Self::ALL.into_iter().find(|known| known.name() == text);
        named.ok_or(UnknownComponent)
    }
}

/// A part of a component whose CPU time is told apart from the others'.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Part {
    /// Requests and handshakes.
    Http,
    /// Claims, outcomes and pings on live sockets.
    Sockets,
    /// Deciding attempts and events.
    Deciding,
    /// The control stream.
    Control,
    /// Writing and syncing.
    Writing,
    /// Checkpoints, trimming, and watching the space that is left.
    Keeping,
    /// Folding records into boards, and publishing those.
    Ranking,
    /// Folding records into frames.
    Framing,
    /// Sending frames to every follower.
    FanOut,
    /// Whatever sinks do.
    Sinking,
    /// Starting, stopping, threads that have ended, and whatever else the process does.
    Other,
}

impl Part {
    /// All of them, in the order of their components.
    pub const ALL: [Self; 11] = [
        Self::Http,
        Self::Sockets,
        Self::Deciding,
        Self::Control,
        Self::Writing,
        Self::Keeping,
        Self::Ranking,
        Self::Framing,
        Self::FanOut,
        Self::Sinking,
        Self::Other,
    ];

    /// Its component; `None` for what belongs to none.
    #[must_use]
    pub const fn component(self) -> Option<Component> {
        Some(match self {
            Self::Http | Self::Sockets => Component::Edge,
            Self::Deciding | Self::Control => Component::Arbiter,
            Self::Writing | Self::Keeping => Component::Log,
            Self::Ranking => Component::Boards,
            Self::Framing | Self::FanOut => Component::Broadcast,
            Self::Sinking => Component::Sinks,
            Self::Other => return None,
        })
    }

    /// As in labels.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Sockets => "sockets",
            Self::Deciding => "deciding",
            Self::Control => "control",
            Self::Writing => "writing",
            Self::Keeping => "keeping",
            Self::Ranking => "ranking",
            Self::Framing => "framing",
            Self::FanOut => "fan-out",
            Self::Sinking => "sinking",
            Self::Other => "other",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_component_is_found_by_its_name_and_by_no_other() {
        for component in Component::ALL {
            assert_eq!(component.name().parse(), Ok(component));
        }
        for text in ["", "Edge", "edge ", "fan-out"] {
            assert_eq!(text.parse::<Component>(), Err(UnknownComponent), "{text:?}");
        }
    }

    #[test]
    fn every_component_has_a_part_and_parts_stand_in_the_order_of_components() {
        let components: Vec<_> = Part::ALL
            .iter()
            .filter_map(|part| part.component())
            .collect();
        assert!(components.is_sorted());
        for component in Component::ALL {
            assert!(components.contains(&component), "{component}");
        }
    }
}
