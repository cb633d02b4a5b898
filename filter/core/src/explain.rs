//! One line that says why a request is traced, or is not.
//!
//! ```text
//! explanation = item *( "; " item )
//! item        = key "=" value
//! key         = 1*( %x61-7A / "_" )
//! value       = 1*( %x21-3A / %x3C-7E ) ; visible, without ";"
//! ```
//! | key | value |
//! |---|---|
//! | `service` | `service.name` of the proxy that says this |
//! | `in` | the format in which the context came, by its name in `propagation.extract`; `none` |
//! | `conflicts` | how many other traces came with it; only where there were any |
//! | `trust` | what that is worth: `continue`, `restart`, `ignore_sampling` |
//! | `trust_by` | who says so: `rule:N` (from 0), `default` |
//! | `sampled` | `1` or `0` |
//! | `by` | who decided: `export` (nobody: it brings spans to the collector), `debug`, `force`, `health_check`, `caller`, `disabled`, `route`, `rule:N`, `ratio`, `max_per_second`, `min_per_minute` |
//! | `ratio` | the share that was asked for, where one decided |
//! | `trace`, `span`, `parent` | the ids that go on, the caller's where this hop makes no span; the caller's span, if its trace goes on |
//! | `queue` | spans that wait to be sent, of how many that may; `none` where nothing is exported |

use crate::id::{SpanId, TraceId};
use crate::origin::Origin;
use crate::sampling::TraceIdRatio;
use crate::sampling::head::By;
use crate::trust::Action;
use std::fmt::Write as _;

/// What the line needs to know beside the origin of a hop.
#[derive(Clone, Copy, Debug)]
pub struct Circumstances<'a> {
    /// `service.name`
    pub service: &'a str,
    /// What the caller is worth, even where it sent nothing that depends on it.
    pub action: Action,
    /// The rule of `trust.rules` that applies.
    pub trust_rule: Option<usize>,
    /// Spans in the queue, and how many fit in.
    pub queue: Option<(i64, usize)>,
}

/// The line for one request: the value of a header.
pub fn explain(origin: &Origin<'_>, around: &Circumstances<'_>) -> Vec<u8> {
    let Circumstances { service, action, trust_rule, queue } = *around;
    let mut line = Line(String::with_capacity(256));
    line.item("service", format_args!("{}", plain(service)));
    line.item("in", format_args!("{}", origin.format.map_or("none", |it| it.name())));
    if !origin.conflicts.is_empty() {
        line.item("conflicts", format_args!("{}", origin.conflicts.len()));
    }
    let action = match action {
        Action::Continue => "continue",
        Action::Restart => "restart",
        Action::IgnoreSampling => "ignore_sampling",
    };
    line.item("trust", format_args!("{action}"));
    match trust_rule {
        Some(at) => line.item("trust_by", format_args!("rule:{at}")),
        None => line.item("trust_by", format_args!("default")),
    }
    line.item("sampled", format_args!("{}", u8::from(origin.verdict.sampled)));
    match origin.verdict.by {
        By::Rule(at) => line.item("by", format_args!("rule:{at}")),
        by => line.item("by", format_args!("{}", name(by))),
    }
    if let Some(ratio) = origin.verdict.ratio {
        line.item("ratio", format_args!("{}", share(ratio)));
    }
    let context = &origin.outgoing.context;
    let (trace_id, span_id): (TraceId, SpanId) = (context.trace_id, context.span_id);
    line.item("trace", format_args!("{trace_id}"));
    line.item("span", format_args!("{span_id}"));
    if let Some(parent) = origin.parent {
        line.item("parent", format_args!("{parent}"));
    }
    match queue {
        Some((waiting, room)) => line.item("queue", format_args!("{waiting}/{room}")),
        None => line.item("queue", format_args!("none")),
    }
    line.0.into_bytes()
}

struct Line(String);

impl Line {
    fn item(&mut self, key: &str, value: std::fmt::Arguments<'_>) {
        let separator = if self.0.is_empty() { "" } else { "; " };
        // Writing to a String cannot fail.
        let _ = write!(self.0, "{separator}{key}={value}");
    }
}

fn name(by: By) -> &'static str {
    match by {
        By::Export => "export",
        By::Debug => "debug",
        By::Force => "force",
        By::HealthCheck => "health_check",
        By::Caller => "caller",
        By::Disabled => "disabled",
        By::Route => "route",
        By::Rule(_) => "rule",
        By::Ratio => "ratio",
        By::MaxPerSecond => "max_per_second",
        By::MinPerMinute => "min_per_minute",
    }
}

/// The shortest number that means this share: the one that was configured.
fn share(ratio: TraceIdRatio) -> String {
    /// Enough for the smallest share that can be configured.
    const DIGITS: usize = 14;
    let (mut scale, mut digits) = (1_u64, 0);
    loop {
        let of = scale as f64;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to scale")]
        let parts = (ratio.probability() * of).round() as u64;
        let (whole, rest) = (parts.checked_div(scale), parts.checked_rem(scale));
        let (whole, rest) = (whole.unwrap_or_default(), rest.unwrap_or_default());
        if TraceIdRatio::new(parts as f64 / of) == Some(ratio) || digits == DIGITS {
            return if digits == 0 {
                whole.to_string()
            } else {
                format!("{whole}.{rest:0digits$}")
            };
        }
        (scale, digits) = (scale.saturating_mul(10), digits.saturating_add(1));
    }
}

/// A name with what a value cannot have replaced; `-` where there is none.
fn plain(name: &str) -> String {
    let visible = |it: char| it.is_ascii_graphic() && it != ';';
    let name: String =
        name.chars().take(100).map(|it| if visible(it) { it } else { '_' }).collect();
    if name.is_empty() { "-".to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_written_as_it_was_configured() {
        for text in
            ["0", "1", "0.1", "0.01", "0.333", "0.95", "0.125", "0.000000001", "0.0000000015"]
        {
            let ratio = TraceIdRatio::new(text.parse().unwrap()).unwrap();
            assert_eq!(share(ratio), text);
        }
    }
}
