//! How the fake backend's boards are brought up to date: as the flags say, and after a rest
//! that the test measures in versions asked for.

use huntcore_board::{Refresh, Refresher};
use huntcore_model::{BoardName, Flags, HuntNumber, RefreshMode};

/// See the module.
pub(super) struct ByFlags<'a> {
    pub(super) flags: &'a Flags,
    /// Boards that are ranked anew rest until so many more versions were asked for.
    pub(super) rests: u32,
}

impl Refresher for ByFlags<'_> {
    fn refresh(&mut self, hunt: HuntNumber, board: BoardName) -> Refresh {
        let mode = self.flags.refresh(hunt, board);
        let rests = mode == RefreshMode::Rebuild && self.rests > 0;
        Refresh {
            mode: (!rests).then_some(mode),
            shadow: false,
        }
    }

    fn refreshed(&mut self, _: HuntNumber, _: BoardName, _: RefreshMode) {}

    fn compared(&mut self, _: HuntNumber, _: BoardName, _: u64) {}
}
