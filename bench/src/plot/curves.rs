//! Curves over sizes, with what they are at their right, in the order in which they end.

use super::ticks::{short, ticks};
use super::{Colour, Svg};
use crate::statistics::Estimate;

/// One of them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Curve<'a> {
    /// What it is, in words.
    pub(crate) label: &'a str,
    /// Its height at each size.
    pub(crate) values: &'a [Estimate],
    /// Whose it is.
    pub(crate) colour: Colour,
}

/// The image. `sizes` are where they are along the axis, and how they are written.
pub(crate) fn curves(
    unit: &str,
    axis: &str,
    sizes: &[(f64, &str)],
    curves: &[Curve<'_>],
) -> String {
    let values = curves.iter().flat_map(|it| it.values);
    let ticks = ticks(values.map(|it| it.high).fold(0.0, f64::max));
    let top = ticks.last().copied().unwrap_or(1.0);
    let x = horizontal(sizes);
    let y = |value: f64| BOTTOM - value / top * (BOTTOM - TOP);
    let mut svg = Svg::new(RIGHT + LEGEND, BOTTOM + 56.0, &format!("{unit}, by {axis}"));
    for tick in ticks {
        svg.path("grid", &format!("M{LEFT} {:.1}H{RIGHT}", y(tick)));
        svg.text(LEFT - 8.0, y(tick), "end", &short(tick));
    }
    for (place, label) in sizes {
        svg.path("axis", &format!("M{:.1} {BOTTOM}v5", x(*place)));
        svg.text(x(*place), BOTTOM + 16.0, "middle", label);
    }
    svg.path("axis", &format!("M{LEFT} {TOP}V{BOTTOM}H{RIGHT}"));
    svg.text(f64::midpoint(LEFT, RIGHT), BOTTOM + 38.0, "middle", axis);
    svg.text(16.0, TOP - 16.0, "start", unit);
    let end = |it: &Curve<'_>| it.values.last().map_or(0.0, |it| it.value);
    let mut sorted = curves.to_vec();
    sorted.sort_by(|a, b| end(b).total_cmp(&end(a)));
    for (number, curve) in sorted.iter().enumerate() {
        let points = sizes.iter().zip(curve.values).map(|((place, _), it)| (x(*place), *it));
        let points: Vec<_> = points.collect();
        for (x, it) in points.iter().filter(|(_, it)| it.high > it.low) {
            interval(&mut svg, *x, [y(it.low), y(it.high)], curve.colour);
        }
        let points: Vec<_> = points.iter().map(|(x, it)| (*x, y(it.value))).collect();
        draw(&mut svg, &points, curve.colour);
        let (from, middle) = (RIGHT + 20.0, TOP + 8.0 + 22.0 * number as f64);
        draw(&mut svg, &[(from, middle), (from + 20.0, middle)], curve.colour);
        svg.text(from + 30.0, middle, "start", curve.label);
    }
    svg.end()
}

/// From a place along the axis to one in the image, from the first size to the last.
fn horizontal(sizes: &[(f64, &str)]) -> impl Fn(f64) -> f64 {
    let (first, last) = (sizes.first().map_or(0.0, |it| it.0), sizes.last().map_or(1.0, |it| it.0));
    let [from, to] = [LEFT + INSET, RIGHT - INSET];
    move |place| from + (place - first) / (last - first).max(f64::MIN_POSITIVE) * (to - from)
}

/// A line with a mark at each point.
fn draw(svg: &mut Svg, points: &[(f64, f64)], colour: Colour) {
    let code = colour.code();
    let line: Vec<_> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
    let line = line.join(" ");
    svg.add(&format!(
        "<polyline points=\"{line}\" fill=\"none\" stroke=\"{code}\" stroke-width=\"2\"/>"
    ));
    for (x, y) in points {
        svg.add(&match colour {
            Colour::None => {
                format!("<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.5\" fill=\"{code}\"/>")
            }
            Colour::Native => square(x - 3.0, y - 3.0, "", code),
            Colour::Hopspan => {
                square(x - 3.0, y - 3.0, &format!(" transform=\"rotate(45 {x:.1} {y:.1})\""), code)
            }
            Colour::Unsampled => {
                let path = format!("M{x:.1} {:.1}l4.5 8h-9z", y - 5.0);
                format!("<path d=\"{path}\" style=\"fill:{code}\"/>")
            }
        });
    }
}

/// From below to above, with ends.
fn interval(svg: &mut Svg, x: f64, [below, above]: [f64; 2], colour: Colour) {
    let code = colour.code();
    svg.add(&format!(
        "<path d=\"M{x:.1} {below:.1}V{above:.1}m-4 0h8M{:.1} {below:.1}h8\" stroke=\"{code}\"/>",
        x - 4.0
    ));
}

fn square(x: f64, y: f64, turned: &str, code: &str) -> String {
    format!("<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"6\" height=\"6\" fill=\"{code}\"{turned}/>")
}

const LEFT: f64 = 72.0;
const RIGHT: f64 = 500.0;
const TOP: f64 = 72.0;
const BOTTOM: f64 = 312.0;
/// From the ends of the axis to the first and to the last size.
const INSET: f64 = 16.0;
const LEGEND: f64 = 320.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_from_left_to_right_in_proportion() {
        let x = horizontal(&[(0.0, "0"), (64.0, "64"), (256.0, "256")]);
        let (left, right) = (LEFT + INSET, RIGHT - INSET);
        assert_eq!([x(0.0), x(256.0)], [left, right]);
        assert!((x(64.0) - (left + (right - left) / 4.0)).abs() < 1e-9);
        let one = horizontal(&[(5.0, "5")]);
        assert_eq!(one(5.0), left, "one size");
    }

    #[test]
    fn curves_stay_in_the_frame() {
        let values = [1.0, 300.0, 316_000.0].map(Estimate::exact);
        let curve = Curve { label: "a", values: &values, colour: Colour::Native };
        let svg =
            curves("instructions", "headers", &[(1.0, "1"), (2.0, "2"), (3.0, "3")], &[curve]);
        let line = svg.lines().find_map(|it| it.strip_prefix("<polyline points=\"")).unwrap();
        let points = line.split('"').next().unwrap().split([' ', ',']);
        let numbers: Vec<f64> = points.map(|it| it.parse().unwrap()).collect();
        for point in numbers.chunks(2) {
            assert!((LEFT..=RIGHT).contains(&point[0]), "{point:?}");
            assert!((TOP..=BOTTOM).contains(&point[1]), "{point:?}");
        }
        assert!(numbers[1] > numbers[5], "more is higher up");
        assert!(!svg.contains("NaN"), "{svg}");
    }
}
