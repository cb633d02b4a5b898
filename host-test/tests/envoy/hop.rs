//! One proxy with a service behind it and a collector beside it: what most tests need.

use crate::bootstrap::{Direction, Setup};
use crate::client::Client;
use crate::collector::Collector;
use crate::proxy::Proxy;
use crate::received::Received;
use crate::upstream::{Answer, Seen, Upstream};

/// The three of them.
pub(crate) struct Hop {
    /// Envoy with hopspan.
    pub(crate) proxy: Proxy,
    /// The service.
    pub(crate) upstream: Upstream,
    /// Where the spans go.
    pub(crate) collector: Collector,
}

impl Hop {
    /// A hop whose service answers 200, with the smallest useful configuration.
    pub(crate) async fn start(direction: Direction) -> Self {
        Self::start_with(direction, |_| Answer::status(200), |_| ()).await
    }

    /// A hop whose service answers as it is told.
    pub(crate) async fn answering(
        direction: Direction,
        answer: impl Fn(&Seen) -> Answer + Send + Sync + 'static,
    ) -> Self {
        Self::start_with(direction, answer, |_| ()).await
    }

    /// A hop whose service answers as it is told, with a setup that is changed before it is used.
    pub(crate) async fn start_with(
        direction: Direction,
        answer: impl Fn(&Seen) -> Answer + Send + Sync + 'static,
        change: impl FnOnce(&mut Setup),
    ) -> Self {
        let upstream = Upstream::start(answer).await;
        let collector = Collector::start().await;
        let mut setup = Setup::new(direction, upstream.address(), collector.address());
        change(&mut setup);
        let proxy = Proxy::start(&setup).await;
        Self { proxy, upstream, collector }
    }

    /// A caller that speaks HTTP/1.1.
    pub(crate) async fn client(&self) -> Client {
        Client::http1(self.proxy.address()).await
    }

    /// Waits for the spans of all requests so far: `count`, and not one more.
    pub(crate) async fn spans(&self, count: usize) -> Vec<Received> {
        let spans = self.collector.spans(count).await;
        let stats = self.proxy.at_rest(i64::try_from(count).unwrap()).await;
        assert_eq!(spans.len(), count, "spans at the collector: {spans:#?}");
        assert_eq!(stats.hopspan_sum("spans.dropped."), 0, "{stats}");
        spans
    }

    /// Waits for the span of the only request so far.
    pub(crate) async fn span(&self) -> Received {
        self.spans(1).await.remove(0)
    }
}
