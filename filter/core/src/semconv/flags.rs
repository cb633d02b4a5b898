//! The proxy's response flags: why a response is not what the upstream said.
//!
//! Names: <https://www.envoyproxy.io/docs/envoy/latest/configuration/observability/access_log/usage>

/// A set of response flags.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct ResponseFlags(pub u64);

/// Short names by bit number.
const NAMES: [&str; 30] = [
    "LH", "UH", "UT", "LR", "UR", "UF", "UC", "UO", "NR", "DI", "FI", "RL", "UAEX", "RLSE", "DC",
    "URX", "SI", "IH", "DPE", "UMSDR", "RFCF", "NFCF", "DT", "UPE", "NC", "OM", "DF", "DO", "DR",
    "UDO",
];

const DOWNSTREAM_CONNECTION_TERMINATION: u64 = 1 << 14;
const DOWNSTREAM_REMOTE_RESET: u64 = 1 << 28;

impl ResponseFlags {
    /// Whether the client went away before the response was complete.
    pub fn client_gone(self) -> bool {
        self.0 & (DOWNSTREAM_CONNECTION_TERMINATION | DOWNSTREAM_REMOTE_RESET) != 0
    }

    /// The short names, joined by commas; empty if no known flag is set.
    pub fn names(self) -> String {
        let mut names = String::new();
        for (_, name) in NAMES.iter().enumerate().filter(|(bit, _)| self.0 >> bit & 1 == 1) {
            names.push_str(if names.is_empty() { "" } else { "," });
            names.push_str(name);
        }
        names
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_access_log() {
        for (bits, want) in [
            (0, ""),
            (1 << 1, "UH"),
            (1 << 5 | 1 << 15, "UF,URX"),
            (16384, "DC"),
            (1 << 23, "UPE"),
            (0x1000_0000, "DR"),
            (1 << 40, ""),
        ] {
            assert_eq!(ResponseFlags(bits).names(), want);
        }
    }

    #[test]
    fn a_client_is_gone_by_disconnect_or_reset() {
        assert!(ResponseFlags(16384).client_gone());
        assert!(ResponseFlags(0x1000_0000).client_gone());
        assert!(!ResponseFlags(1 << 6).client_gone());
    }
}
