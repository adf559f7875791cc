//! What survives a crash.

/// Which of the changes that were not synced survive a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Survival {
    /// None.
    Nothing,
    /// All.
    Everything,
    /// Some, drawn with this seed; the same for the same seed. An odd one keeps changes of
    /// names as a journal does: in each directory, those before the first that is lost.
    Seeded(u64),
    /// Those whose bit is set; the first change has the lowest. From the 65th on, none.
    Subset(u64),
}

impl Survival {
    /// Every subset of `changes`, or nothing, everything and seeds up to `cases_max`.
    pub(super) fn cases(changes: usize, cases_max: u64) -> Vec<Self> {
        let subsets = u32::try_from(changes)
            .ok()
            .and_then(|changes| 1_u64.checked_shl(changes))
            .filter(|&subsets| subsets <= cases_max);
        match subsets {
            Some(subsets) => (0..subsets).map(Self::Subset).collect(),
            None => (0..cases_max.max(2)).map(Self::from).collect(),
        }
    }
}

/// For loops over choices: 0 is nothing, 1 everything, all others are seeds.
impl From<u64> for Survival {
    fn from(choice: u64) -> Self {
        match choice {
            0 => Self::Nothing,
            1 => Self::Everything,
            seed => Self::Seeded(seed),
        }
    }
}

/// Asked for each change in turn.
pub(super) struct Choice {
    survival: Survival,
    asked: u32,
    state: u64,
}

impl Choice {
    pub(super) fn new(survival: Survival) -> Self {
        let seed = match survival {
            Survival::Seeded(seed) => seed,
            Survival::Nothing | Survival::Everything | Survival::Subset(_) => 0,
        };
        Self {
            survival,
            asked: 0,
            // Never zero, which a shift register would not leave.
            state: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
        }
    }

    pub(super) fn survives(&mut self) -> bool {
        let bit = 1_u64.checked_shl(self.asked).unwrap_or(0);
        self.asked += 1;
        match self.survival {
            Survival::Nothing => false,
            Survival::Everything => true,
            Survival::Seeded(_) => self.next() & 8 == 0,
            Survival::Subset(bits) => bits & bit != 0,
        }
    }

    /// The changes of one directory that survive.
    pub(super) fn some_of<'c, T>(&mut self, changes: &'c [T]) -> Vec<&'c T> {
        match self.survival {
            Survival::Seeded(seed) if seed % 2 == 1 => {
                let count = self.next() % (changes.len() as u64 + 1);
                let count = usize::try_from(count).expect("at most their number");
                changes[..count].iter().collect()
            }
            _ => changes.iter().filter(|_| self.survives()).collect(),
        }
    }

    fn next(&mut self) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        self.state
    }
}
