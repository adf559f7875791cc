//! Hunts by the names that attempts call them.

use huntcore_model::{HuntId, HuntNumber};

use crate::state::App;

/// Finds hunts, and remembers the last one: attempts come in runs of one hunt, and then a
/// name costs a comparison. A hunt keeps its number for ever.
#[derive(Debug, Default)]
pub(crate) struct HuntNames {
    last: Option<(HuntId, HuntNumber)>,
}

impl HuntNames {
    /// The number of the hunt of that name, if there is one.
    #[inline]
    pub(crate) fn number(&mut self, app: &App, name: &str) -> Option<HuntNumber> {
        match &self.last {
            Some((id, number)) if id.as_str() == name => Some(*number),
            _ => self.look_up(app, name),
        }
    }

    /// The hunt that was found last.
    pub(crate) fn last(&self) -> Option<HuntId> {
        self.last.as_ref().map(|(id, _)| id.clone())
    }

    fn look_up(&mut self, app: &App, name: &str) -> Option<HuntNumber> {
        let id = HuntId::new(name).ok()?;
        let number = app.backend.view().catalog.hunt(&id)?.number;
        self.last = Some((id, number));
        Some(number)
    }
}
