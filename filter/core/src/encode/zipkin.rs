//! Zipkin's JSON, version 2, made of a request of OTLP in protobuf.
//!
//! | Zipkin | OTLP |
//! |---|---|
//! | `traceId`, `id`, `parentId` | the same; 128 bits of trace-id are 32 digits |
//! | `kind` | the same; none for INTERNAL |
//! | `timestamp`, `duration` | of start and end, in whole microseconds |
//! | `localEndpoint` | `service.name` of the resource |
//! | `remoteEndpoint` | on CLIENT and PRODUCER spans, the best attribute that names the other end |
//! | `tags` | attributes of the span, the scope and the resource, status, what was dropped |
//!
//! Where the specification of the mapping says nothing (resource, tracestate, links), it is done
//! as the OpenTelemetry Collector does it. Events, which hopspan's spans have none of, are left out.
//!
//! Spec: <https://opentelemetry.io/docs/specs/otel/trace/sdk_exporters/zipkin/>,
//! <https://opentelemetry.io/docs/specs/otel/common/mapping-to-non-otlp/>,
//! <https://github.com/openzipkin/zipkin-api/blob/master/zipkin2-api.yaml>

mod attribute;
mod record;

use super::json;
use crate::id::write_hex;
use attribute::Attribute;
use core::net::IpAddr;
use record::Record;

/// Writes the spans of an `ExportTraceServiceRequest` as a list.
///
/// `None` if the request is broken, has a span that Zipkin would refuse (and the others with it),
/// or so much to say about its resource that the list would be [`TIMES`] larger than the request.
/// What was written is then to be thrown away.
pub fn transcode(request: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let limit = out.len().saturating_add(request.len().saturating_mul(TIMES));
    json::byte(b'[', out);
    for of_resource in Record::read(request)?.messages(1) {
        write_resource_spans(&Record::read(of_resource)?, limit, out)?;
    }
    json::close("]", out);
    Some(())
}

/// How many times larger than the request its JSON may be: what all spans have in common stands
/// there once, and here in each.
pub const TIMES: usize = 64;

/// What one end of a span is known by, the best first: a name, or an address and its port.
///
/// `service.peer.name` is what `peer.service` is called now; the specification, which will change no
/// more, has the rest.
/// Spec: <https://opentelemetry.io/docs/specs/otel/trace/sdk_exporters/zipkin/#otlp---zipkin>
const REMOTE: [(&str, Option<&str>); 12] = [
    ("service.peer.name", None),
    ("peer.service", None),
    ("server.address", None),
    ("net.peer.name", None),
    ("network.peer.address", Some("network.peer.port")),
    ("server.socket.domain", None),
    ("server.socket.address", Some("server.socket.port")),
    ("net.sock.peer.name", None),
    ("net.sock.peer.addr", Some("net.sock.peer.port")),
    ("peer.hostname", None),
    ("peer.address", None),
    ("db.name", None),
];

/// Attributes that are no tags of their own: what is told elsewhere, and names of tags that say
/// what OTLP has a place for. Above all `error`: with whatever value, it is a failure to Zipkin.
const RESERVED: [&str; 11] = [
    "service.name",
    "error",
    "otel.status_code",
    "otel.dropped_attributes_count",
    "otel.dropped_events_count",
    "otel.dropped_links_count",
    "otel.scope.name",
    "otel.scope.version",
    "otel.library.name",
    "otel.library.version",
    "w3c.tracestate",
];

/// What the spans of one resource and scope have in common.
struct Common<'a> {
    resource: &'a [Attribute<'a>],
    scope: &'a [Attribute<'a>],
    name: &'a [u8],
    version: &'a [u8],
}

fn write_resource_spans(from: &Record<'_>, limit: usize, out: &mut Vec<u8>) -> Option<()> {
    let resource = attribute::read(&Record::read(from.bytes(1))?, 1)?;
    for of_scope in from.messages(2) {
        let of_scope = Record::read(of_scope)?;
        let scope = Record::read(of_scope.bytes(1))?;
        let common = Common {
            resource: &resource,
            scope: &attribute::read(&scope, 3)?,
            name: scope.bytes(1),
            version: scope.bytes(2),
        };
        for span in of_scope.messages(2) {
            let span = Record::read(span)?;
            write_span(&span, &attribute::read(&span, 9)?, &common, out)?;
            json::byte(b',', out);
            if out.len() > limit {
                return None;
            }
        }
    }
    Some(())
}

#[inline(never)]
fn write_span(
    span: &Record<'_>,
    attributes: &[Attribute<'_>],
    common: &Common<'_>,
    out: &mut Vec<u8>,
) -> Option<()> {
    json::byte(b'{', out);
    write_id("traceId", span.bytes(1), 16, out)?;
    write_id("id", span.bytes(2), 8, out)?;
    if span.bytes(4).iter().any(|it| *it != 0) {
        write_id("parentId", span.bytes(4), 8, out)?;
    }
    let (kind, has_remote) = match span.number(6) {
        2 => ("SERVER", false),
        3 => ("CLIENT", true),
        4 => ("PRODUCER", true),
        5 => ("CONSUMER", false),
        _ => ("", false),
    };
    write_text("kind", kind.as_bytes(), out);
    write_text("name", span.bytes(5), out);
    // Zero is what Zipkin has for a time that is not known. "Durations of less than one are
    // rounded up", and so is this beginning of time.
    let (start, end) = (span.number(7), span.number(8));
    if start > 0 {
        write_number("timestamp", (start / 1000).max(1), out);
    }
    if end > 0 {
        write_number("duration", (end.saturating_sub(start) / 1000).max(1), out);
    }
    let service = attribute::find(b"service.name", common.resource).and_then(Attribute::text);
    let service = service.filter(|it| !it.is_empty()).unwrap_or(b"unknown_service");
    json::name("localEndpoint", out);
    write_endpoint("serviceName", service, 0, out);
    // Of the others, `server.address` is the address of this very end.
    if has_remote {
        write_remote_endpoint(attributes, out);
    }
    json::name("tags", out);
    json::byte(b'{', out);
    write_status(&Record::read(span.bytes(15))?, out);
    for (key, text) in [
        ("otel.scope.name", common.name),
        ("otel.scope.version", common.version),
        // As the specification wants it, the same by their old names.
        ("otel.library.name", common.name),
        ("otel.library.version", common.version),
        ("w3c.tracestate", span.bytes(3)),
    ] {
        write_text(key, text, out);
    }
    for (key, field) in [
        ("otel.dropped_attributes_count", 10),
        ("otel.dropped_events_count", 12),
        ("otel.dropped_links_count", 14),
    ] {
        let count = span.number(field);
        if count > 0 {
            json::name(key, out);
            json::byte(b'"', out);
            json::unsigned(count, out);
            json::raw("\",", out);
        }
    }
    for (at, link) in (0..).zip(span.messages(13)) {
        json::raw("\"otlp.link.", out);
        json::unsigned(at, out);
        json::raw("\":\"", out);
        write_link(&Record::read(link)?, out)?;
        json::raw("\",", out);
    }
    // What a span says itself counts most.
    write_tags(attributes, &[], out)?;
    write_tags(common.scope, &[attributes], out)?;
    write_tags(common.resource, &[attributes, common.scope], out)?;
    json::close("}}", out);
    Some(())
}

/// An id of so many bytes, of which one is not zero.
#[inline(never)]
fn write_id(name: &str, id: &[u8], len: usize, out: &mut Vec<u8>) -> Option<()> {
    if id.len() != len || id.iter().all(|it| *it == 0) {
        return None;
    }
    json::name(name, out);
    json::hex(id, out);
    json::byte(b',', out);
    Some(())
}

/// A text, unless it is empty.
#[inline(never)]
fn write_text(name: &str, text: &[u8], out: &mut Vec<u8>) {
    if !text.is_empty() {
        json::name(name, out);
        json::string(text, out);
        json::byte(b',', out);
    }
}

#[inline(never)]
fn write_number(name: &str, number: u64, out: &mut Vec<u8>) {
    json::name(name, out);
    json::unsigned(number, out);
    json::byte(b',', out);
}

#[inline(never)]
fn write_endpoint(name: &str, text: &[u8], port: u64, out: &mut Vec<u8>) {
    json::byte(b'{', out);
    write_text(name, text, out);
    if let 1..=0xffff = port {
        write_number("port", port, out);
    }
    json::close("},", out);
}

fn write_remote_endpoint(attributes: &[Attribute<'_>], out: &mut Vec<u8>) {
    for (key, port) in REMOTE {
        let text = attribute::find(key.as_bytes(), attributes).and_then(Attribute::text);
        let Some(text) = text.filter(|it| !it.is_empty()) else { continue };
        let name = match port {
            None => "serviceName",
            Some(_) => match std::str::from_utf8(text).map(str::parse) {
                Ok(Ok(IpAddr::V4(_))) => "ipv4",
                Ok(Ok(IpAddr::V6(_))) => "ipv6",
                _ => continue,
            },
        };
        let port = attribute::find(port.unwrap_or_default().as_bytes(), attributes);
        let port = port.and_then(Attribute::integer).unwrap_or_default();
        json::name("remoteEndpoint", out);
        return write_endpoint(name, text, port, out);
    }
}

fn write_status(status: &Record<'_>, out: &mut Vec<u8>) {
    match status.number(3) {
        1 => write_text("otel.status_code", b"OK", out),
        2 => {
            write_text("otel.status_code", b"ERROR", out);
            json::name("error", out);
            json::string(status.bytes(2), out);
            json::byte(b',', out);
        }
        _ => {}
    }
}

/// A link as the Collector writes and reads it: trace-id, span-id, tracestate, attributes in JSON
/// and how many of them were dropped.
fn write_link(link: &Record<'_>, out: &mut Vec<u8>) -> Option<()> {
    write_hex(link.bytes(1), out);
    json::byte(b'|', out);
    write_hex(link.bytes(2), out);
    json::byte(b'|', out);
    json::escape(link.bytes(3), out);
    json::byte(b'|', out);
    let mut object = Vec::new();
    attribute::write_object(&attribute::read(link, 4)?, &mut object)?;
    json::escape(&object, out);
    json::byte(b'|', out);
    json::unsigned(link.number(5), out);
    Some(())
}

/// Writes attributes, but for those that are reserved or in other lists.
#[inline(never)]
fn write_tags(
    attributes: &[Attribute<'_>],
    others: &[&[Attribute<'_>]],
    out: &mut Vec<u8>,
) -> Option<()> {
    for attribute in attributes {
        let Attribute { key, .. } = attribute;
        let is_reserved = RESERVED.iter().any(|it| it.as_bytes() == *key);
        if is_reserved || others.iter().any(|it| attribute::find(key, it).is_some()) {
            continue;
        }
        json::string(key, out);
        json::byte(b':', out);
        attribute.write_text(out)?;
        json::byte(b',', out);
    }
    Some(())
}

#[cfg(test)]
mod tests;
