//! Half a minute without a collector, with the configuration that everybody has.

use std::time::Duration;

use tokio::time::sleep;

use super::fault::Fault;
use super::run::Run;
use crate::stats::Stats;

#[tokio::test]
#[ignore = "about a minute: ./build.sh soak"]
async fn thirty_seconds_without_a_collector_cost_no_span() {
    let mut run = Run::start(|_| ()).await;

    // No more than a queue of the default size holds: three quarters of 4096.
    let traffic = run.traffic(Some(80.0));
    sleep(Duration::from_secs(2)).await;
    let calm = traffic.lap();
    Fault::Down.begin(&mut run.collector).await;
    sleep(Duration::from_secs(30)).await;
    let hurt = traffic.lap();
    Fault::Down.end(&mut run.collector).await;
    // The next try is up to 30 s away.
    let back = |it: &Stats| it.hopspan("spans.queued") < 200;
    run.proxy.stats_within(Duration::from_secs(35), "the queue sent", back).await;
    traffic.stop().await;

    let quiet = run.quiet().await;
    println!(
        "\n30 s without a collector, by the default configuration\n\
           before: {calm}\n\
           during: {hurt}\n\
           {} spans made, {} came, {} repeated, {} export requests tried again\n",
        quiet.made,
        quiet.came.different,
        quiet.came.repeated,
        quiet.stats.hopspan("export.retries"),
    );
    assert_eq!(quiet.came.different, quiet.made, "{}", quiet.stats);
}
