//! The formats, read by second readers that share no code with hopspan.
//!
//! They take what hopspan is to write, which is less than it is to read.

use std::collections::BTreeMap;

use crate::upstream::Seen;

/// What a format says. Ids are in hex and of full length.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Context {
    /// 32 digits.
    pub(crate) trace_id: String,
    /// 16 digits.
    pub(crate) span_id: String,
    /// Whether the trace is recorded.
    pub(crate) sampled: bool,
}

/// The contexts of a request, by the names that formats have in a configuration.
pub(crate) type Contexts = BTreeMap<&'static str, Context>;

/// All formats, by these names.
pub(crate) const ALL: [&str; 8] =
    ["tracecontext", "b3", "b3multi", "grpc-trace-bin", "jaeger", "xray", "datadog", "gcp"];

impl Context {
    /// A context whose trace-id may have but 64 bits.
    fn new(trace_id: &str, span_id: &str, sampled: bool) -> Self {
        assert!(trace_id.len() == 16 || trace_id.len() == 32, "16 or 32 digits: {trace_id}");
        assert_eq!(span_id.len(), 16, "{span_id}");
        for id in [trace_id, span_id] {
            assert!(id.bytes().all(|it| matches!(it, b'0'..=b'9' | b'a'..=b'f')), "hex: {id}");
            assert!(id.bytes().any(|it| it != b'0'), "an id is zero");
        }
        Self { trace_id: format!("{trace_id:0>32}"), span_id: span_id.to_owned(), sampled }
    }

    /// The same in each of these formats.
    pub(crate) fn in_each(&self, formats: &[&'static str]) -> Contexts {
        formats.iter().map(|format| (*format, self.clone())).collect()
    }
}

/// Reads all formats that a request has.
///
/// # Panics
///
/// When one of them breaks its grammar, or is not complete.
#[track_caller]
pub(crate) fn contexts(seen: &Seen) -> Contexts {
    let readers: [fn(&Seen) -> Option<Context>; ALL.len()] =
        [tracecontext, b3, b3multi, grpc_trace_bin, jaeger, xray, datadog, gcp];
    let read = ALL.into_iter().zip(readers);
    read.filter_map(|(format, reader)| Some((format, reader(seen)?))).collect()
}

fn tracecontext(seen: &Seen) -> Option<Context> {
    seen.header("traceparent")?;
    let it = seen.traceparent();
    let sampled = matches!(it.flags.as_str(), "01" | "03");
    Some(Context::new(&it.trace_id, &it.parent_id, sampled))
}

/// Spec: <https://github.com/openzipkin/b3-propagation/blob/master/README.md#single-header>
fn b3(seen: &Seen) -> Option<Context> {
    let parts: Vec<_> = seen.header("b3")?.split('-').collect();
    let [trace_id, span_id, state] = parts[..] else { panic!("{parts:?}") };
    assert!(matches!(state, "0" | "1" | "d"), "{state}");
    Some(Context::new(trace_id, span_id, state != "0"))
}

/// Spec: <https://github.com/openzipkin/b3-propagation/blob/master/README.md#multiple-headers>
fn b3multi(seen: &Seen) -> Option<Context> {
    let names = ["x-b3-traceid", "x-b3-spanid", "x-b3-sampled", "x-b3-flags"];
    let [None, None, None, None] = names.map(|it| seen.header(it)) else {
        let [Some(trace_id), Some(span_id), sampled, flags] = names.map(|it| seen.header(it))
        else {
            panic!("both ids: {:?}", seen.headers)
        };
        return Some(Context::new(trace_id, span_id, binary(sampled.or(flags).unwrap())));
    };
    None
}

/// Spec: <https://github.com/census-instrumentation/opencensus-specs/blob/master/encodings/BinaryEncoding.md>
fn grpc_trace_bin(seen: &Seen) -> Option<Context> {
    let bytes = from_base64(seen.header("grpc-trace-bin")?);
    let hex: String = bytes.iter().map(|it| format!("{it:02x}")).collect();
    // Version, then the fields 0, 1 and 2, each behind its number.
    let (trace_id, rest) = hex.strip_prefix("0000").expect("a trace-id").split_at(32);
    let (span_id, rest) = rest.strip_prefix("01").expect("a span-id").split_at(16);
    let options = rest.strip_prefix("020").expect("options");
    Some(Context::new(trace_id, span_id, binary(options)))
}

/// Spec: <https://www.jaegertracing.io/docs/1.18/client-libraries/#propagation-format>
fn jaeger(seen: &Seen) -> Option<Context> {
    let parts: Vec<_> = seen.header("uber-trace-id")?.split(':').collect();
    let [trace_id, span_id, "0", flags] = parts[..] else { panic!("{parts:?}") };
    assert!(matches!(flags, "00" | "01" | "03"), "{flags}");
    Some(Context::new(trace_id, span_id, flags != "00"))
}

/// Spec: <https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html#xray-concepts-tracingheader>
fn xray(seen: &Seen) -> Option<Context> {
    let fields = pairs(seen.header("x-amzn-trace-id")?, ';');
    let root: Vec<_> = fields["Root"].split('-').collect();
    let ["1", seconds, rest] = root[..] else { panic!("{root:?}") };
    assert_eq!((seconds.len(), rest.len()), (8, 24), "{root:?}");
    Some(Context::new(&format!("{seconds}{rest}"), fields["Parent"], binary(fields["Sampled"])))
}

/// Spec: <https://docs.datadoghq.com/tracing/trace_collection/trace_context_propagation/>
fn datadog(seen: &Seen) -> Option<Context> {
    let hex = |decimal: &str| format!("{:016x}", decimal.parse::<u64>().expect("64 bits"));
    let low = hex(seen.header("x-datadog-trace-id")?);
    let span_id = hex(seen.header("x-datadog-parent-id").expect("a parent"));
    let tags = pairs(seen.header("x-datadog-tags").unwrap_or_default(), ',');
    let high = tags.get("_dd.p.tid").copied().unwrap_or_default();
    let sampled = match seen.header("x-datadog-sampling-priority").expect("a priority") {
        "-1" | "0" => false,
        "1" | "2" => true,
        other => panic!("a priority: {other}"),
    };
    Some(Context::new(&format!("{high}{low}"), &span_id, sampled))
}

/// Spec: <https://cloud.google.com/trace/docs/trace-context#legacy-http-header>
fn gcp(seen: &Seen) -> Option<Context> {
    let (trace_id, rest) = seen.header("x-cloud-trace-context")?.split_once('/').expect("a span");
    let (span_id, sampled) = rest.split_once(";o=").expect("options");
    let span_id = format!("{:016x}", span_id.parse::<u64>().expect("64 bits"));
    assert_eq!(trace_id.len(), 32, "{trace_id}");
    Some(Context::new(trace_id, &span_id, binary(sampled)))
}

fn binary(digit: &str) -> bool {
    match digit {
        "0" => false,
        "1" => true,
        other => panic!("0 or 1: {other}"),
    }
}

/// `key=value` between separators. No key is there twice.
fn pairs(text: &str, separator: char) -> BTreeMap<&str, &str> {
    let mut pairs = BTreeMap::new();
    for pair in text.split(separator).filter(|it| !it.is_empty()) {
        let (key, value) = pair.split_once('=').expect(pair);
        assert_eq!(pairs.insert(key, value), None, "{key} once: {text}");
    }
    pairs
}

/// Writes base64 without padding, bit by bit.
///
/// Spec: <https://www.rfc-editor.org/rfc/rfc4648#section-4>
pub(super) fn to_base64(bytes: &[u8]) -> String {
    let bits: Vec<_> =
        bytes.iter().flat_map(|it| (0..8).rev().map(move |at| it >> at & 1)).collect();
    let digit =
        |six: &[u8]| (0..6).fold(0, |it, at| it << 1 | usize::from(*six.get(at).unwrap_or(&0)));
    bits.chunks(6).map(|six| char::from(BASE64[digit(six)])).collect()
}

/// Reads base64 without padding, which is what gRPC's implementations "should emit".
///
/// Spec: <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>
fn from_base64(text: &str) -> Vec<u8> {
    let place = |digit| BASE64.iter().position(|it| *it == digit).expect("a digit of base64");
    let bits: Vec<_> =
        text.bytes().map(place).flat_map(|it| (0..6).rev().map(move |at| it >> at & 1)).collect();
    let byte = |eight: &[usize]| eight.iter().fold(0, |it, bit| it << 1 | bit);
    let bytes = bits.chunks_exact(8).map(|it| u8::try_from(byte(it)).unwrap()).collect::<Vec<_>>();
    assert_eq!(to_base64(&bytes), text, "the bits that are left over are zero");
    bytes
}

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
