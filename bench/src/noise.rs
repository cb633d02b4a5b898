//! What else the machine did with the proxy's core.

use std::fs;
use std::time::Duration;

/// How long a core was busy with anything.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Busy(Duration);

impl Busy {
    /// Until now, of this core.
    ///
    /// # Errors
    ///
    /// The kernel does not tell.
    pub(crate) fn now(core: usize) -> Result<Self, String> {
        let text = fs::read_to_string("/proc/stat").map_err(|error| format!("stat: {error}"))?;
        Self::of(&text, core).ok_or_else(|| format!("/proc/stat has no core {core}"))
    }

    /// Since then.
    pub(crate) fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }

    /// Spec: <https://man7.org/linux/man-pages/man5/proc_stat.5.html>: user, nice, system, idle,
    /// iowait, irq, softirq, steal, in units that are hundredths of a second everywhere.
    fn of(stat: &str, core: usize) -> Option<Self> {
        let name = format!("cpu{core} ");
        let numbers = stat.lines().find_map(|line| line.strip_prefix(&name))?;
        let numbers: Vec<u64> =
            numbers.split_whitespace().map_while(|it| it.parse().ok()).collect();
        let [user, nice, system, _idle, _wait, irq, softirq, steal, ..] = *numbers else {
            return None;
        };
        Some(Self(Duration::from_millis((user + nice + system + irq + softirq + steal) * 10)))
    }
}

#[test]
fn a_core_is_found() {
    let stat = "cpu  9 9 9 9 9 9 9 9 0 0\ncpu0 1 2 3 100 50 4 5 6 0 0\ncpu10 0 0 0 0 0 0 0 1 0 0\n";
    for (why, core, want) in [
        ("without idleness", 0, Some(210)),
        ("not another with this beginning", 1, None),
        ("stolen time", 10, Some(10)),
    ] {
        let want = want.map(|it| Busy(Duration::from_millis(it)));
        assert_eq!(Busy::of(stat, core), want, "{why}");
    }
}
