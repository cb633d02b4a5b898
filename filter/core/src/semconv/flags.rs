//! The proxy's response flags: why a response is not what the upstream said.
//!
//! Names: <https://www.envoyproxy.io/docs/envoy/latest/configuration/observability/access_log/usage>

/// A set of response flags.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct ResponseFlags(pub u64);

/// What one flag is called.
struct Flag {
    short: &'static str,
    long: &'static str,
    /// The class of the failure that it stands for; empty where it is none by itself.
    class: &'static str,
}

const fn flag(short: &'static str, long: &'static str, class: &'static str) -> Flag {
    Flag { short, long, class }
}

/// All flags, by bit number.
const FLAGS: [Flag; 30] = [
    flag("LH", "FailedLocalHealthCheck", "failed_local_health_check"),
    flag("UH", "NoHealthyUpstream", "no_healthy_upstream"),
    flag("UT", "UpstreamRequestTimeout", "timeout"),
    flag("LR", "LocalReset", "local_reset"),
    flag("UR", "UpstreamRemoteReset", "upstream_remote_reset"),
    flag("UF", "UpstreamConnectionFailure", "upstream_connection_failure"),
    flag("UC", "UpstreamConnectionTermination", "upstream_connection_termination"),
    flag("UO", "UpstreamOverflow", "upstream_overflow"),
    flag("NR", "NoRouteFound", "no_route"),
    flag("DI", "DelayInjected", ""),
    flag("FI", "FaultInjected", "fault_injected"),
    flag("RL", "RateLimited", "rate_limited"),
    flag("UAEX", "UnauthorizedExternalService", "unauthorized"),
    flag("RLSE", "RateLimitServiceError", "rate_limit_service_error"),
    flag("DC", "DownstreamConnectionTermination", ""),
    flag("URX", "UpstreamRetryLimitExceeded", ""),
    flag("SI", "StreamIdleTimeout", "stream_idle_timeout"),
    flag("IH", "InvalidEnvoyRequestHeaders", "invalid_headers"),
    flag("DPE", "DownstreamProtocolError", "downstream_protocol_error"),
    flag("UMSDR", "UpstreamMaxStreamDurationReached", "upstream_max_stream_duration"),
    flag("RFCF", "ResponseFromCacheFilter", ""),
    flag("NFCF", "NoFilterConfigFound", "no_filter_config"),
    flag("DT", "DurationTimeout", "max_duration_timeout"),
    flag("UPE", "UpstreamProtocolError", "upstream_protocol_error"),
    flag("NC", "NoClusterFound", "no_cluster"),
    flag("OM", "OverloadManagerTerminated", "overload"),
    flag("DF", "DnsResolutionFailed", "dns_failure"),
    flag("DO", "DropOverload", "drop_overload"),
    flag("DR", "DownstreamRemoteReset", ""),
    flag("UDO", "UnconditionalDropOverload", "drop_overload"),
];

const DOWNSTREAM_CONNECTION_TERMINATION: u64 = 1 << 14;
const DOWNSTREAM_REMOTE_RESET: u64 = 1 << 28;

impl ResponseFlags {
    /// The upstream could not be connected to.
    pub const UPSTREAM_CONNECTION_FAILURE: Self = Self(1 << 5);

    /// Whether the client went away before the response was complete.
    pub fn client_gone(self) -> bool {
        self.0 & (DOWNSTREAM_CONNECTION_TERMINATION | DOWNSTREAM_REMOTE_RESET) != 0
    }

    /// The short names, joined by commas; empty if no known flag is set.
    pub fn names(self) -> String {
        self.join(|it| it.short)
    }

    /// The long names, joined by commas.
    pub fn long_names(self) -> String {
        self.join(|it| it.long)
    }

    /// The class of the failure that the flags stand for, if they stand for one. `details` are
    /// the proxy's own words, which tell apart what has one flag.
    pub fn failure(self, details: &[u8]) -> Option<&'static str> {
        let class = self.set().map(|it| it.class).find(|it| !it.is_empty());
        // Envoy 1.40 sets no flag where the stream of a route has lasted too long.
        let by_details = (details == b"max_duration_timeout").then_some("max_duration_timeout");
        let class = class.or(by_details)?;
        let timeout = b"{connection_timeout}";
        Some(match class {
            "upstream_connection_failure"
                if details.windows(timeout.len()).any(|it| it == timeout) =>
            {
                "upstream_connection_timeout"
            }
            class => class,
        })
    }

    fn set(self) -> impl Iterator<Item = &'static Flag> {
        let highest = u64::BITS.saturating_sub(self.0.leading_zeros());
        let reached = FLAGS.iter().take(usize::try_from(highest).unwrap_or(usize::MAX));
        reached.enumerate().filter(move |(bit, _)| self.0 >> bit & 1 == 1).map(|(_, it)| it)
    }

    fn join(self, name: impl Fn(&Flag) -> &'static str) -> String {
        let mut names = String::new();
        for flag in self.set() {
            names.push_str(if names.is_empty() { "" } else { "," });
            names.push_str(name(flag));
        }
        names
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_access_log() {
        for (bits, short, long) in [
            (0, "", ""),
            (1 << 1, "UH", "NoHealthyUpstream"),
            (1 << 5 | 1 << 15, "UF,URX", "UpstreamConnectionFailure,UpstreamRetryLimitExceeded"),
            (16384, "DC", "DownstreamConnectionTermination"),
            (1 << 23, "UPE", "UpstreamProtocolError"),
            (0x1000_0000, "DR", "DownstreamRemoteReset"),
            (1 << 29, "UDO", "UnconditionalDropOverload"),
            (1 << 40, "", ""),
        ] {
            assert_eq!(ResponseFlags(bits).names(), short);
            assert_eq!(ResponseFlags(bits).long_names(), long);
        }
    }

    #[test]
    fn a_stream_that_lasted_too_long_is_known_by_the_details_alone() {
        let failure = |details: &[u8]| ResponseFlags(0).failure(details);
        assert_eq!(failure(b"max_duration_timeout"), Some("max_duration_timeout"));
        assert_eq!(failure(b"direct_response"), None);
    }

    #[test]
    fn a_client_is_gone_by_disconnect_or_reset() {
        assert!(ResponseFlags(16384).client_gone());
        assert!(ResponseFlags(0x1000_0000).client_gone());
        assert!(!ResponseFlags(1 << 6).client_gone());
    }

    #[test]
    fn failures_have_classes() {
        let refused = "upstream_reset_before_response_started{connection_refused}";
        let timed_out = "upstream_reset_before_response_started{connection_timeout}";
        for (why, bits, details, want) in [
            ("nothing", 0, "", None),
            ("refused", 1 << 5, refused, Some("upstream_connection_failure")),
            ("nobody there", 1 << 5, timed_out, Some("upstream_connection_timeout")),
            ("a cut connection", 1 << 6, "", Some("upstream_connection_termination")),
            ("out of time, after several tries", 1 << 2 | 1 << 15, "", Some("timeout")),
            ("several tries answered", 1 << 15, "", None),
            ("a delay is none", 1 << 9, "", None),
            ("nor is a client that left", 1 << 14, "", None),
            ("an open circuit", 1 << 7, "", Some("upstream_overflow")),
        ] {
            assert_eq!(ResponseFlags(bits).failure(details.as_bytes()), want, "{why}");
        }
    }
}
