//! How long the proxy itself held a request.
//!
//! With tQ = the request's headers at the filter, tQe = the request's end of stream, tRe =
//! the response's end of stream, B = last upstream byte in - first upstream byte out:
//!
//! ```text
//! F2 = (tRe - tQ) - B
//! W  = tQe - tQ   if that is at least 1 ms, and tRe - B >= tQe + 50 us: the proxy waited
//!                 for the whole body before the upstream saw a byte
//!      0          otherwise
//! proxy time = F2 - W
//! ```
//! The two margins are there because tRe - B is later than the first byte really went out,
//! by the response's way through the proxy (10 to 40 us where it was measured), and a body
//! that comes with its headers ends in that very moment. What lies between is the proxy's
//! own work then, and must not be taken for the client's. The price is that at most 1 ms of
//! waiting for a quick client is counted as the proxy's, where bodies are buffered.
//!
//! The other parts are differences of the same moments, and one that the host knows: how long the
//! last attempt waited for a connection, which is part of the proxy time.
//!
//! No attempt: all of tRe - tQ. An attempt but no B: unknown. Several attempts: B is the
//! last one's, so earlier tries and back-off are in the result: an upper bound.

use crate::time::Monotonic;
use std::time::Duration;

/// What the filter sees itself of a stream: moments and sizes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Marks {
    /// The request's headers reached the filter.
    pub started: Monotonic,
    /// The last of the request reached the filter; `None` if it never did.
    pub request_end: Option<Monotonic>,
    /// The response's headers reached the filter; `None` if they never did.
    pub response_start: Option<Monotonic>,
    /// The last of the response reached the filter; `None` if it never did.
    pub response_end: Option<Monotonic>,
    /// Bytes of the request's body that passed.
    pub request_bytes: u64,
    /// Bytes of the response's body that passed.
    pub response_bytes: u64,
}

/// Where the time of a request went. What is unknown is `None`, never a guess.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Breakdown {
    /// In this proxy: everything but the upstream and a client that was slow to send.
    pub proxy: Option<Duration>,
    /// Whether `proxy` may be too much.
    pub upper_bound: bool,
    /// In the upstream and on the way there and back, of the last attempt.
    pub upstream: Option<Duration>,
    /// When the first byte went upstream, in the last attempt.
    pub upstream_started: Option<Monotonic>,
    /// From the request's headers to its end; `None` if they were all of it.
    pub request_receive: Option<Duration>,
    /// From the request's headers to those of the response.
    pub first_byte: Option<Duration>,
    /// From the response's headers to the end of the stream.
    pub response_send: Option<Duration>,
}

/// Below this, receiving the request was the proxy's work rather than the client's delay.
const SHORTEST_WAIT: Duration = Duration::from_millis(1);
/// By how much `tRe - B` may be later than the first byte really went out.
const MARGIN: Duration = Duration::from_micros(50);

impl Marks {
    /// Takes the time apart of a stream that ended at `end`. `attempts` is `None` where the host
    /// cannot tell.
    pub fn breakdown(
        &self,
        attempts: Option<u64>,
        backend: Option<Duration>,
        end: Monotonic,
    ) -> Breakdown {
        let received = self.request_end.map(|it| it.since(self.started));
        let parts = Breakdown {
            request_receive: received.filter(|it| !it.is_zero()),
            first_byte: self.response_start.map(|it| it.since(self.started)),
            response_send: self.response_start.map(|it| end.since(it)),
            ..Breakdown::default()
        };
        let Some(response_end) = self.response_end else {
            return Breakdown { upstream: backend, ..parts };
        };
        let whole = response_end.since(self.started);
        match (attempts, backend) {
            (Some(0), _) => Breakdown { proxy: Some(whole), ..parts },
            (_, None) => parts,
            (_, Some(backend)) => {
                let first_byte_out = whole.saturating_sub(backend);
                let waited = self.waited(first_byte_out);
                Breakdown {
                    proxy: Some(first_byte_out.saturating_sub(waited)),
                    upper_bound: attempts != Some(1),
                    upstream: Some(backend),
                    upstream_started: Some(self.started.plus(first_byte_out)),
                    ..parts
                }
            }
        }
    }

    /// How long the proxy waited for a slow client, if no byte went upstream before the time
    /// `first_byte_out` after the beginning.
    pub fn waited(&self, first_byte_out: Duration) -> Duration {
        let received = self.request_end.map(|it| it.since(self.started));
        received
            .filter(|it| *it >= SHORTEST_WAIT)
            .filter(|it| first_byte_out >= it.saturating_add(MARGIN))
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const fn us(n: u64) -> Duration {
        Duration::from_micros(n)
    }

    /// Microseconds after the start, as measured in a real proxy.
    fn breakdown(
        request_end: Option<u64>,
        response_end: Option<u64>,
        attempts: Option<u64>,
        backend: Option<u64>,
    ) -> Breakdown {
        let at = |n: Option<u64>| n.map(|n| Monotonic(7).plus(us(n)));
        Marks {
            started: Monotonic(7),
            request_end: at(request_end),
            response_end: at(response_end),
            ..Marks::default()
        }
        .breakdown(
            attempts,
            backend.map(us),
            Monotonic(7).plus(us(response_end.unwrap_or(0))),
        )
    }

    #[test]
    fn the_other_parts_are_known_as_far_as_their_moments_are() {
        let at = |n: u64| Monotonic(7).plus(us(n));
        let marks = Marks { started: at(0), ..Marks::default() };
        let parts = |marks: Marks| {
            let it = marks.breakdown(Some(1), None, at(900));
            [it.request_receive, it.first_byte, it.response_send]
                .map(|it| it.map(|it| it.as_micros()))
        };
        for (why, marks, want) in [
            ("nothing happened", marks, [None, None, None]),
            ("headers were all", Marks { request_end: Some(at(0)), ..marks }, [None, None, None]),
            ("a body", Marks { request_end: Some(at(80)), ..marks }, [Some(80), None, None]),
            (
                "an answer",
                Marks { response_start: Some(at(200)), ..marks },
                [None, Some(200), Some(700)],
            ),
        ] {
            assert_eq!(parts(marks), want, "{why}");
        }
    }

    #[test]
    fn proxy_time_leaves_out_the_upstream_and_a_slow_client() {
        let some = |n, bound| (Some(us(n)), bound);
        for (why, request_end, response_end, attempts, backend, want) in [
            ("upstream of 50 ms", Some(0), Some(50_136), Some(1), Some(50_000), some(136, false)),
            (
                "slow body, streamed",
                Some(200_000),
                Some(200_246),
                Some(1),
                Some(200_100),
                some(146, false),
            ),
            (
                "slow body, buffered",
                Some(200_375),
                Some(250_600),
                Some(1),
                Some(50_000),
                some(225, false),
            ),
            (
                "a body in the headers' own packet",
                Some(130),
                Some(50_136),
                Some(1),
                Some(50_000),
                some(136, false),
            ),
            (
                "a slow filter, body in the same packet",
                Some(20_100),
                Some(70_130),
                Some(1),
                Some(50_000),
                some(20_130, false),
            ),
            ("a filter held it", Some(0), Some(80_543), Some(1), Some(50_000), some(30_543, false)),
            ("no attempt", Some(0), Some(120), Some(0), None, some(120, false)),
            ("a retry", Some(0), Some(56_883), Some(2), Some(20_000), some(36_883, true)),
            ("attempts unknown", Some(0), Some(150), None, Some(100), some(50, true)),
            ("an attempt without latency", Some(0), Some(120), Some(1), None, (None, false)),
            ("no end of the response", Some(0), None, Some(1), Some(100), (None, false)),
            (
                "response before the request's end",
                None,
                Some(150),
                Some(1),
                Some(100),
                some(50, false),
            ),
            (
                "a latency longer than the whole",
                Some(0),
                Some(100),
                Some(1),
                Some(200),
                some(0, false),
            ),
        ] {
            let got = breakdown(request_end, response_end, attempts, backend);
            assert_eq!((got.proxy, got.upper_bound), want, "{why}");
        }
    }

    proptest! {
        #[test]
        fn no_part_is_more_than_the_whole(
            request_end: Option<u32>, response_end: Option<u32>,
            attempts: Option<u64>, backend: Option<u32>,
        ) {
            let whole = us(response_end.unwrap_or(0).into());
            let wide = |n: Option<u32>| n.map(u64::from);
            let got = breakdown(wide(request_end), wide(response_end), attempts, wide(backend));
            prop_assert!(got.proxy.unwrap_or_default() <= whole);
            prop_assert!(got.proxy.is_none() || response_end.is_some());
        }
    }
}
