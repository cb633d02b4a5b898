//! Bars that lie, with their intervals: names need room.

use super::ticks::{short, ticks};
use super::{Colour, Svg};
use crate::statistics::Estimate;

/// One of them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bar<'a> {
    /// What it is, in words.
    pub(crate) label: &'a str,
    /// How long it is.
    pub(crate) value: Estimate,
    /// Whose it is.
    pub(crate) colour: Colour,
}

/// The image. `unit` says what is counted.
pub(crate) fn bars(unit: &str, title: &str, bars: &[Bar<'_>]) -> String {
    let highest = bars.iter().map(|it| it.value.high).fold(0.0, f64::max);
    let ticks = ticks(highest);
    let end = ticks.last().copied().unwrap_or(1.0);
    let x = |value: f64| LABELS + value.max(0.0) / end * BARS;
    let bottom = TOP + ROW * bars.len() as f64;
    let mut svg = Svg::new(LABELS + BARS + VALUES, bottom + 48.0, title);
    for tick in ticks {
        svg.path("grid", &format!("M{:.1} {TOP}V{bottom}", x(tick)));
        svg.text(x(tick), bottom + 14.0, "middle", &short(tick));
    }
    svg.text(LABELS + BARS / 2.0, bottom + 34.0, "middle", unit);
    for (number, bar) in bars.iter().enumerate() {
        let middle = TOP + ROW * (number as f64 + 0.5);
        let Estimate { value, low, high } = bar.value;
        svg.text(LABELS - 8.0, middle, "end", bar.label);
        svg.add(&format!(
            "<rect x=\"{LABELS}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{THICK}\" fill=\"{}\"/>",
            middle - THICK / 2.0,
            x(value) - LABELS,
            bar.colour.code(),
        ));
        if high > low {
            let (low, high) = (x(low), x(high));
            let [above, below] = [middle - 4.0, middle + 4.0];
            let path = format!(
                "M{low:.1} {above}V{below}M{low:.1} {middle}H{high:.1}M{high:.1} {above}V{below}"
            );
            svg.path("interval", &path);
        }
        svg.text(x(value.max(high)) + 6.0, middle, "start", &written(value));
    }
    svg.path("axis", &format!("M{LABELS} {TOP}V{bottom}"));
    svg.end()
}

/// Small ones with a digit behind the point, all of them alike.
fn written(value: f64) -> String {
    if value.abs() < 100.0 { format!("{value:.1}") } else { short(value) }
}

const LABELS: f64 = 340.0;
const BARS: f64 = 400.0;
const VALUES: f64 = 60.0;
const TOP: f64 = 40.0;
const ROW: f64 = 24.0;
const THICK: f64 = 14.0;

#[test]
fn bars_are_in_the_image_and_as_long_as_their_values() {
    let bar = |value, low, high| Bar {
        label: "a < b",
        value: Estimate { value, low, high },
        colour: Colour::Hopspan,
    };
    let svg =
        bars("us", "costs", &[bar(10.0, 10.0, 10.0), bar(5.0, 4.0, 6.0), bar(-1.0, -2.0, 0.5)]);
    let width = |text: &str| text.split("width=\"").nth(1)?.split('"').next()?.parse().ok();
    let widths: Vec<f64> =
        svg.lines().filter(|it| it.contains("fill=\"#")).filter_map(width).collect();
    assert_eq!(widths, [BARS, BARS / 2.0, 0.0], "nothing is less than nothing");
    assert_eq!(svg.matches("class=\"interval\"").count(), 2, "one is exact");
    assert!(svg.contains("a &lt; b") && !svg.contains("NaN"), "{svg}");
}
