//! No change makes a request dearer, or cheaper, without its diff saying so.

use crate::baseline::{Baseline, growth};
use crate::case::Case;
use crate::cases;
use crate::module::compiler;

#[test]
fn requests_cost_what_they_did() {
    let cost = |case: &Case| (case.name.to_owned(), case.cost());
    let now = Baseline { compiler: compiler(), cases: cases::all().iter().map(cost).collect() };
    let was = Baseline::read();
    table(&was, &now);
    if std::env::var_os(RENEW).is_some() {
        now.write();
        return;
    }
    let differences = was.differences(&now);
    assert!(
        differences.is_empty(),
        "requests cost something else than in host-test/cost.json (fuel by more than {} %):\n  \
         {}\nIf that is meant: ./build.sh bench cost, and commit the file with the reason.",
        was.margin(&now.compiler),
        differences.join("\n  "),
    );
}

fn table(was: &Baseline, now: &Baseline) {
    println!("{:<34}{:>9}{:>9}{:>12}", "request", "fuel", "was", "host calls");
    for (name, cost) in &now.cases {
        let (fuel, calls) = (cost.fuel, cost.hostcalls.values().sum::<u64>());
        let change = was
            .cases
            .get(name)
            .map_or_else(|| "-".into(), |it| format!("{:+.1} %", growth(it.fuel, fuel)));
        println!("{name:<34}{fuel:>9}{change:>9}{calls:>12}");
    }
    if was.compiler != now.compiler {
        println!("the module is of {}, the baseline of {}", now.compiler, was.compiler);
    }
}

/// Set, the file is written instead of compared: `./build.sh bench cost` does that.
const RENEW: &str = "HOPSPAN_RENEW_COST";
