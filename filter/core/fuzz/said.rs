//! What a header says, in the words of the naive readers.

use hopspan_core::propagation::Said;

pub(crate) fn words(said: Said<'_>) -> String {
    let remote = match said {
        Said::Decision(it) => return format!("{it:?}").to_lowercase(),
        Said::Context(it) => it,
    };
    let trace = remote.trace_id.to_string();
    let trace = if remote.is_short { trace[16..].to_owned() } else { trace };
    let span = remote.span_id.map(|it| format!("/{it}")).unwrap_or_default();
    format!("{trace}{span} {}", format!("{:?}", remote.decision).to_lowercase())
}
