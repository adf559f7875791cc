//! Which of a bench's cases run.

use crate::report::BenchError;

/// The one that was asked for, or all that run unasked. `describe` gives a case's name and whether
/// it does.
pub(crate) fn chosen<'a, C>(
    cases: &'a [C],
    only: Option<&str>,
    describe: impl Fn(&C) -> (&'static str, bool),
) -> Result<Vec<&'a C>, BenchError> {
    let wanted = |case: &&C| {
        let (name, by_default) = describe(case);
        only.map_or(by_default, |only| only == name)
    };
    let chosen: Vec<&C> = cases.iter().filter(wanted).collect();
    match only {
        Some(only) if chosen.is_empty() => {
            let known: Vec<&str> = cases.iter().map(|case| describe(case).0).collect();
            Err(BenchError::UnknownCase {
                case: only.to_owned(),
                known: known.join(", "),
            })
        }
        _ => Ok(chosen),
    }
}
