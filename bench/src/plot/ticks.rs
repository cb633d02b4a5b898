//! Round numbers along an axis that begins at zero.

/// From zero on, at most [`MOST`] steps, the last one at `highest` or above.
pub(super) fn ticks(highest: f64) -> Vec<f64> {
    let least = (highest / MOST).max(f64::MIN_POSITIVE);
    let power = 10_f64.powf(least.log10().floor());
    let factors = [1.0, 2.0, 5.0, 10.0];
    let step = factors.map(|it| it * power).into_iter().find(|it| *it >= least * 0.999_999);
    let step = step.unwrap_or(10.0 * power);
    let count = (highest / step - 1e-6).ceil().max(1.0) as u32;
    (0..=count).map(|it| f64::from(it) * step).collect()
}

/// A number in few characters: "350 k", "1.5 M", "0.25".
pub(super) fn short(value: f64) -> String {
    let (value, unit) = match value.abs() {
        it if it >= 1e6 => (value / 1e6, " M"),
        it if it >= 1e4 => (value / 1e3, " k"),
        _ => (value, ""),
    };
    let digits = if value.abs() >= 100.0 || value.fract().abs() < 1e-9 { 0 } else { 1 };
    format!("{value:.digits$}{unit}")
}

const MOST: f64 = 6.0;

#[test]
fn ticks_are_round_and_reach_the_top() {
    for (highest, want) in [
        (10.0, vec![0.0, 2.0, 4.0, 6.0, 8.0, 10.0]),
        (6.0, vec![0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0]),
        (316_000.0, vec![0.0, 100_000.0, 200_000.0, 300_000.0, 400_000.0]),
        (71.3, vec![0.0, 20.0, 40.0, 60.0, 80.0]),
    ] {
        assert_eq!(ticks(highest), want, "{highest}");
    }
    assert_eq!(ticks(0.0).first(), Some(&0.0), "of nothing");
    assert!(ticks(0.0).len() < 10, "of nothing");
}

#[test]
fn numbers_are_short() {
    for (value, want) in [
        (0.0, "0"),
        (2.5, "2.5"),
        (400.0, "400"),
        (1234.5, "1234"),
        (316_809.0, "317 k"),
        (15_500.0, "15.5 k"),
        (1_500_000.0, "1.5 M"),
        (2_000_000.0, "2 M"),
    ] {
        assert_eq!(short(value), want);
    }
}
