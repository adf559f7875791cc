//! Plots as inline SVG: lines over time, and bars of a histogram. Colours come from the page.

use std::fmt::Write as _;

const WIDTH: f64 = 900.0;
const HEIGHT: f64 = 250.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 34.0;

/// One line of a plot.
pub(super) struct Series<'a> {
    pub(super) name: &'a str,
    /// The colour's class: a, b, c or quiet.
    pub(super) class: &'a str,
    /// Gaps are `None`.
    pub(super) points: Vec<(f64, Option<f64>)>,
}

/// Lines over one axis.
pub(super) struct Lines<'a> {
    pub(super) title: &'a str,
    pub(super) unit: &'a str,
    /// By powers of ten; otherwise from 0 on.
    pub(super) logarithmic: bool,
    pub(super) series: Vec<Series<'a>>,
    /// From one mark on the axis to the next, the first of these that leaves room for all.
    pub(super) steps: &'a [f64],
    /// A place on the axis in words.
    pub(super) place: &'a dyn Fn(f64) -> String,
}

/// Bars beside each other, each with the end of what it counts.
pub(super) struct Bars<'a> {
    pub(super) title: &'a str,
    pub(super) unit: &'a str,
    pub(super) bars: &'a [(f64, u64)],
    pub(super) class: &'a str,
}

impl Lines<'_> {
    pub(super) fn render(&self) -> String {
        let all = || self.series.iter().flat_map(|series| &series.points);
        let values = || all().filter_map(|&(_, value)| value);
        let last = all()
            .map(|&(at, _)| at)
            .fold(0.0, f64::max)
            .max(f64::EPSILON);
        let most = values().fold(0.0, f64::max);
        let scale = if self.logarithmic {
            let least = values()
                .filter(|&value| value > 0.0)
                .fold(f64::MAX, f64::min);
            Scale::logarithmic(least.min(most), most)
        } else {
            Scale::linear(most)
        };
        let x = |at: f64| LEFT + at / last * (WIDTH - LEFT - RIGHT);
        let mut svg = begin(self.title);
        scale.draw(&mut svg, self.unit);
        let fits = |step: &&f64| last / **step <= 12.0;
        let between = self.steps.iter().find(fits).copied();
        for step in steps(between.unwrap_or(last), last) {
            let _ = write!(
                svg,
                "<text class=\"tick\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
                x(step).min(WIDTH - RIGHT - 14.0),
                HEIGHT - BOTTOM + 18.0,
                escape(&(self.place)(step))
            );
        }
        for series in &self.series {
            let _ = write!(svg, "<path class=\"line {}\" d=\"", series.class);
            let mut is_new = true;
            for &(at, value) in &series.points {
                match value {
                    Some(value) => {
                        let command = if is_new { 'M' } else { 'L' };
                        let _ = write!(svg, "{command}{:.1} {:.1}", x(at), scale.y(value));
                        is_new = false;
                    }
                    None => is_new = true,
                }
            }
            svg += "\"/>";
        }
        svg += "</svg>";
        let legend = self.series.iter().map(|series| {
            let (class, name) = (series.class, escape(series.name));
            format!("<span class=\"key {class}\">{name}</span>")
        });
        figure(self.title, &svg, &legend.collect::<String>())
    }
}

impl Bars<'_> {
    pub(super) fn render(&self) -> String {
        let most = self.bars.iter().map(|&(_, count)| count).max().unwrap_or(0);
        let scale = Scale::logarithmic(1.0, float(most.max(1)));
        let mut svg = begin(self.title);
        scale.draw(&mut svg, "events");
        let width = (WIDTH - LEFT - RIGHT) / float(self.bars.len().max(1) as u64);
        let floor = HEIGHT - BOTTOM;
        let skip = self.bars.len().div_ceil(12).max(1);
        let mut left = LEFT;
        for (index, &(end, count)) in self.bars.iter().enumerate() {
            if count > 0 {
                let top = scale.y(float(count)).min(floor - 1.0);
                let _ = write!(
                    svg,
                    "<rect class=\"bar {}\" x=\"{:.1}\" y=\"{top:.1}\" width=\"{:.1}\" \
                     height=\"{:.1}\"><title>{count} up to {} {}</title></rect>",
                    self.class,
                    left + 1.0,
                    (width - 2.0).max(1.0),
                    floor - top,
                    short(end),
                    self.unit
                );
            }
            if index % skip == skip - 1 {
                let _ = write!(
                    svg,
                    "<text class=\"tick\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
                    (left + width).min(WIDTH - RIGHT - 14.0),
                    floor + 18.0,
                    short(end)
                );
            }
            left += width;
        }
        svg += "</svg>";
        let unit = format!(
            "<span class=\"key {}\">up to so many {}</span>",
            self.class, self.unit
        );
        figure(self.title, &svg, &unit)
    }
}

/// The vertical axis.
struct Scale {
    logarithmic: bool,
    least: f64,
    most: f64,
}

impl Scale {
    fn linear(most: f64) -> Self {
        Self {
            logarithmic: false,
            least: 0.0,
            most: if most > 0.0 { most * 1.08 } else { 1.0 },
        }
    }

    fn logarithmic(least: f64, most: f64) -> Self {
        let least = if least > 0.0 { least } else { 0.1 };
        let floor = 10_f64.powf(least.log10().floor());
        let top = 10_f64.powf(most.max(least).log10().ceil());
        Self {
            logarithmic: true,
            least: floor,
            most: top.max(floor * 10.0),
        }
    }

    fn y(&self, value: f64) -> f64 {
        let part = if self.logarithmic {
            (value.max(self.least) / self.least).log10() / (self.most / self.least).log10()
        } else {
            value / self.most
        };
        HEIGHT - BOTTOM - part.clamp(0.0, 1.0) * (HEIGHT - TOP - BOTTOM)
    }

    fn draw(&self, svg: &mut String, unit: &str) {
        let steps = if self.logarithmic {
            let mut steps = vec![self.least];
            while steps[steps.len() - 1] < self.most * 0.99 {
                steps.push(steps[steps.len() - 1] * 10.0);
            }
            steps
        } else {
            nice_steps(self.most, 5.0)
        };
        for step in steps {
            let y = self.y(step);
            let _ = write!(
                svg,
                "<path class=\"grid\" d=\"M{LEFT} {y:.1}H{:.1}\"/>\
                 <text class=\"tick\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
                WIDTH - RIGHT,
                LEFT - 6.0,
                y + 4.0,
                short(step)
            );
        }
        let _ = write!(
            svg,
            "<text class=\"unit\" transform=\"translate(13 {:.1}) rotate(-90)\" \
             text-anchor=\"middle\">{}</text>",
            TOP + (HEIGHT - TOP - BOTTOM) / 2.0,
            escape(unit)
        );
    }
}

/// Round steps from 0 to `most`, about so many.
fn nice_steps(most: f64, count: f64) -> Vec<f64> {
    let raw = most / count;
    let power = 10_f64.powf(raw.log10().floor());
    let between = [1.0, 2.0, 5.0, 10.0]
        .map(|factor| factor * power)
        .into_iter()
        .find(|&step| step >= raw)
        .unwrap_or(power * 10.0);
    steps(between, most)
}

fn steps(between: f64, most: f64) -> Vec<f64> {
    let mut steps = vec![0.0];
    let mut at = between;
    while between > 0.0 && at <= most {
        steps.push(at);
        at += between;
    }
    steps
}

fn begin(title: &str) -> String {
    format!(
        "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">",
        escape(title)
    )
}

fn figure(title: &str, svg: &str, legend: &str) -> String {
    let title = escape(title);
    format!("<figure><figcaption><b>{title}</b>{legend}</figcaption>{svg}</figure>")
}

/// `0.05`, `2.5`, `40`, `12k`.
fn short(number: f64) -> String {
    let text = match number {
        n if n >= 10_000.0 => return format!("{}k", short(n / 1_000.0)),
        n if n >= 10.0 || n == 0.0 => format!("{n:.0}"),
        n if n >= 1.0 => format!("{n:.1}"),
        n => format!("{n:.3}"),
    };
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
const fn float(count: u64) -> f64 {
    count as f64
}

/// Text that may stand in HTML.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '"' => escaped += "&quot;",
            character => escaped.push(character),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_round_numbers() {
        assert_eq!(
            nice_steps(60.0, 8.0),
            [0.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0]
        );
        assert_eq!(nice_steps(1_296.0, 5.0), [0.0, 500.0, 1_000.0]);
    }

    #[test]
    fn numbers_are_short() {
        let numbers = [0.0, 0.05, 0.1, 1.0, 2.5, 40.0, 1_200.0, 12_000.0, 150_000.0];
        let texts = ["0", "0.05", "0.1", "1", "2.5", "40", "1200", "12k", "150k"];
        assert_eq!(numbers.map(short), texts);
    }

    #[test]
    fn a_line_has_gaps_where_there_is_nothing_to_show() {
        let lines = Lines {
            title: "a < b",
            unit: "ms",
            logarithmic: true,
            series: vec![Series {
                name: "p99",
                class: "a",
                points: vec![
                    (0.0, Some(1.0)),
                    (1.0, None),
                    (2.0, Some(5.0)),
                    (3.0, Some(9.0)),
                ],
            }],
            steps: &[1.0],
            place: &|at| format!("{at} s"),
        };
        let html = lines.render();
        assert!(html.contains("<b>a &lt; b</b>"), "{html}");
        let path = html.split("class=\"line a\" d=\"").nth(1).expect("a line");
        let path = path.split('"').next().expect("its end");
        assert_eq!(path.matches('M').count(), 2, "{path}");
        assert_eq!(path.matches('L').count(), 1, "{path}");
    }
}
