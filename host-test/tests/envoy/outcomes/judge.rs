//! One request: its spans against the document's row and the access log's line.

use std::fmt::Debug;

use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use serde_json::Value;

use super::document::Row;
use crate::received::Received;

/// What is known of a request, and what was found wrong with it.
pub(super) struct Judge<'a> {
    row: &'a Row,
    line: &'a Value,
    parent: &'a str,
    wrong: Vec<String>,
}

impl<'a> Judge<'a> {
    /// Nothing is wrong yet. `parent` is the id of the span that the request came with.
    pub(super) fn new(row: &'a Row, line: &'a Value, parent: &'a str) -> Self {
        Self { row, line, parent, wrong: Vec::new() }
    }

    /// Looks at the only span of a request.
    pub(super) fn only(&mut self, span: &Received, kind: SpanKind) {
        self.outermost(span, kind);
        self.equal("transport_failure", failure(span), self.text("transport_failure"));
    }

    /// Looks at the spans of a gateway: the client's is there if an upstream was tried.
    pub(super) fn both(&mut self, outer: &Received, inner: Option<&Received>) {
        self.outermost(outer, SpanKind::Server);
        self.equal("the inner span's existence", inner.is_some(), self.attempts() > 0);
        let Some(inner) = inner else { return };
        self.equal("kind of the inner span", inner.kind(), SpanKind::Client);
        self.equal("parent of the inner span", inner.parent_id(), outer.span_id());
        let received = self.row.status_code.filter(|_| self.row.is_upstreams);
        self.equal("status code of the inner span", code(inner), received);
        self.outcome("inner span", inner, &self.row.client);
        self.equal("transport_failure", failure(inner), self.text("transport_failure"));
    }

    /// Takes note of too many spans, or none.
    pub(super) fn count(&mut self, count: usize) {
        self.wrong.push(format!("{}: {count} spans", self.row.name));
    }

    /// What was wrong, one thing a line.
    pub(super) fn wrong(self) -> Vec<String> {
        self.wrong
    }

    fn outermost(&mut self, span: &Received, kind: SpanKind) {
        let (row, logged) = (self.row, |key| words(self.line[key].as_str()));
        self.equal("kind", span.kind(), kind);
        self.equal("parent", span.parent_id().as_str(), self.parent);
        self.equal("status code", code(span), row.status_code);
        let logged_code = self.line["code"].as_i64().filter(|it| *it != 0);
        self.equal("status code of the log", logged_code, row.status_code);
        let error = if kind == SpanKind::Server { &row.server } else { &row.client };
        self.outcome("span", span, error);

        let flags = words(span.text("hopspan.response_flags"));
        self.equal("flags", &flags, &sorted(row.flags.clone()));
        // How a tunnel is closed is nothing that went wrong.
        let is_connect = span.text("http.request.method") == Some("CONNECT");
        let is_tunnel = is_connect || row.status_code == Some(101);
        if !is_tunnel {
            self.equal("flags of the log", logged("flags"), flags);
            let long = words(span.text("hopspan.response_flags_long"));
            self.equal("flags in words", long, logged("flags_long"));
            let is_odd = row.status_code.is_none_or(|it| it >= 400) || !row.flags.is_empty();
            let details = self.text("details").filter(|it| match it.as_str() {
                "via_upstream" => false,
                "internal_redirect" => true,
                _ => is_odd,
            });
            // The access log has no spaces in details.
            let told = span.text("hopspan.response_code_details");
            let told = told.map(|it| it.replace(char::is_whitespace, "_"));
            self.equal("details", told, details);
        }

        self.equal("route", span.text("hopspan.route_name"), self.line["route"].as_str());
        let attempts = self.attempts();
        self.equal("attempts", span.int("hopspan.attempts"), (attempts > 1).then_some(attempts));
        let tried = |key: &str| self.line[key].as_str().filter(|_| attempts > 0);
        let (cluster, host) = (tried("cluster"), tried("host"));
        self.equal("cluster", span.text("hopspan.upstream.cluster"), cluster);
        self.equal("host", span.text("hopspan.upstream.address"), host);
        // The upstream's share is known of a whole response alone.
        let is_whole = row.is_upstreams && row.flags.is_empty();
        let is_followed = self.line["details"] == "internal_redirect";
        let is_timed = attempts == 0 || is_whole && row.status_code != Some(101) && !is_followed;
        // A tunnel may end as a response does, or in mid-stream.
        if !is_connect {
            self.equal("a proxy time", span.int("hopspan.proxy_time_ns").is_some(), is_timed);
        }
        let method = span.text("http.request.method").unwrap_or_default();
        let begins = if method == "_OTHER" { "HTTP" } else { method };
        self.equal("name", span.span.name.split(' ').next(), Some(begins));
        self.equal("events", span.span.events.len(), 0);
    }

    fn outcome(&mut self, which: &str, span: &Received, error: &Option<String>) {
        self.equal(&format!("error of the {which}"), span.text("error.type"), error.as_deref());
        let status = if error.is_some() { StatusCode::Error } else { StatusCode::Unset };
        self.equal(&format!("status of the {which}"), span.status(), status);
    }

    fn attempts(&self) -> i64 {
        let value = &self.line["attempts"];
        let text = || value.as_str().and_then(|it| it.parse().ok());
        value.as_i64().or_else(text).unwrap_or_default()
    }

    fn text(&self, key: &str) -> Option<String> {
        self.line[key].as_str().filter(|it| *it != "-").map(str::to_owned)
    }

    fn equal<T: PartialEq + Debug>(&mut self, what: &str, found: T, expected: T) {
        if found != expected {
            let name = &self.row.name;
            self.wrong.push(format!("{name}: {what}: {found:?}, expected {expected:?}"));
        }
    }
}

/// `http.response.status_code`.
fn code(span: &Received) -> Option<i64> {
    span.int("http.response.status_code")
}

/// The access log has no spaces in it.
fn failure(span: &Received) -> Option<String> {
    let text = span.text("hopspan.upstream.transport_failure");
    text.map(|it| it.replace(char::is_whitespace, "_"))
}

/// Words between commas, in an order that is the same for all.
fn words(text: Option<&str>) -> Vec<String> {
    let text = text.filter(|it| *it != "-").unwrap_or_default();
    sorted(text.split(',').filter(|it| !it.is_empty()).map(str::to_owned).collect())
}

fn sorted(mut words: Vec<String>) -> Vec<String> {
    words.sort_unstable();
    words
}
