//! A plot as SVG: a bar for each variant, with its interval.

use std::fmt::Write;

use crate::report::Row;

/// One bar for each row, of what it adds.
pub(crate) fn bars(title: &str, rows: &[Row]) -> String {
    let most = rows.iter().map(|it| it.added_us.high).fold(1.0, f64::max);
    let x = |value: f64| LABELS + value.max(0.0) / most * BARS;
    let height = TOP + ROW * rows.len() as f64 + ROW;
    let width = LABELS + BARS + VALUES;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"white\"/>\n\
         <text x=\"10\" y=\"20\" font-weight=\"bold\">{}</text>\n",
        escaped(title)
    );
    for (number, row) in rows.iter().enumerate() {
        let (added, y) = (&row.added_us, TOP + ROW * number as f64);
        let middle = y + ROW / 2.0;
        let colour = if row.about.starts_with("hopspan") { "#2a7f62" } else { "#8a8f98" };
        let _ = writeln!(
            svg,
            "<text x=\"10\" y=\"{:.1}\">{}</text>\
             <rect x=\"{LABELS}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"{colour}\"/>\
             <path d=\"M{:.1} {middle:.1}H{:.1}\" stroke=\"black\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\">{:.1}</text>",
            middle + 4.0,
            escaped(row.about),
            y + 4.0,
            x(added.value) - LABELS,
            ROW - 8.0,
            x(added.low),
            x(added.high),
            x(added.high) + 8.0,
            middle + 4.0,
            added.value,
        );
    }
    svg.push_str("</svg>\n");
    svg
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

const LABELS: f64 = 290.0;
const BARS: f64 = 420.0;
const VALUES: f64 = 60.0;
const TOP: f64 = 36.0;
const ROW: f64 = 26.0;
