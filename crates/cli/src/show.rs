//! How values look to people.

use comfy_table::{CellAlignment, Table, presets};
use huntcore_model::TimeMicros;
use huntcore_wire::Timestamp;

/// A table without lines; columns of which `is_number` holds are aligned to the right.
pub(crate) fn table<const N: usize>(
    header: [&str; N],
    is_number: impl Fn(usize) -> bool,
    rows: impl IntoIterator<Item = [String; N]>,
) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(header);
    table.add_rows(rows);
    for (index, column) in table.column_iter_mut().enumerate() {
        let left = if index == 0 { 0 } else { 1 };
        column.set_padding((left, 1));
        if is_number(index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.trim_fmt()
}

/// A text that somebody else chose, without what a terminal would obey.
pub(crate) fn foreign(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        // Marks that turn the direction of writing are not control characters.
        let obeyed = character.is_control()
            || matches!(character, '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if obeyed {
            shown.extend(character.escape_unicode());
        } else {
            shown.push(character);
        }
    }
    shown
}

/// `1,234,567`
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut shown = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

/// `1.5 MiB`
pub(crate) fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1_024 {
        return format!("{bytes} B");
    }
    let mut tenths = bytes.saturating_mul(10) / 1_024;
    let mut unit = 0;
    while tenths >= 10_240 && unit + 1 < UNITS.len() {
        tenths /= 1_024;
        unit += 1;
    }
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
}

/// UTC, to the millisecond; a dash if nothing has happened yet.
pub(crate) fn time(time: TimeMicros) -> String {
    if time == TimeMicros::ZERO {
        "-".to_owned()
    } else {
        Timestamp::new(time).to_string()
    }
}

/// `2d 3h`, `5m 07s`, `1.250s`: as fine as matters.
pub(crate) fn span(millis: u64) -> String {
    let seconds = millis / 1_000;
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    if days > 0 {
        format!("{days}d {}h", hours % 24)
    } else if hours > 0 {
        format!("{hours}h {:02}m", minutes % 60)
    } else if minutes > 0 {
        format!("{minutes}m {:02}s", seconds % 60)
    } else {
        format!("{seconds}.{:03}s", millis % 1_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_shown_so_that_they_can_be_read() {
        assert_eq!(
            [0, 999, 1_000, 1_234_567].map(count),
            ["0", "999", "1,000", "1,234,567"]
        );
        assert_eq!(
            [0, 1_023, 1_024, 1_536, 64 << 20, 5 << 40].map(bytes),
            ["0 B", "1023 B", "1.0 KiB", "1.5 KiB", "64.0 MiB", "5.0 TiB"]
        );
        assert_eq!(
            [0, 1_250, 307_000, 3_720_000, 183_600_000].map(span),
            ["0.000s", "1.250s", "5m 07s", "1h 02m", "2d 3h"]
        );
    }

    #[test]
    fn a_name_gives_no_orders_to_the_terminal() {
        assert_eq!(foreign("ada 🐙"), "ada 🐙");
        assert_eq!(
            foreign("\u{1b}[2J\n\u{202e}x"),
            "\\u{1b}[2J\\u{a}\\u{202e}x"
        );
    }

    #[test]
    fn a_table_has_aligned_columns_and_no_trailing_blanks() {
        let rows = [["ada", "7"], ["grace", "1,000"]].map(|row| row.map(str::to_owned));
        assert_eq!(
            table(["player", "score"], |column| column == 1, rows),
            "player  score\nada         7\ngrace   1,000"
        );
    }
}
