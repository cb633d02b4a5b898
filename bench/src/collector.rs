//! A collector that counts and decodes: OTLP by HTTP and by gRPC, and Zipkin's JSON.
//!
//! It decodes when it is asked, so that it takes no time while others are measured.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use bytes::{Buf, Bytes};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use prost::Message;

/// The collector. It lives as long as this process.
#[derive(Debug)]
pub(crate) struct Collector {
    /// Where it listens, for HTTP/1.1 and HTTP/2.
    pub(crate) address: SocketAddr,
    state: Arc<State>,
}

/// What arrived.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Received {
    /// Requests to the collector.
    pub(crate) requests: u64,
    /// Bytes of their bodies.
    pub(crate) bytes: u64,
    /// Spans in them.
    pub(crate) spans: u64,
    /// How many attributes, or tags, spans had.
    pub(crate) attributes: BTreeSet<usize>,
    /// Requests that the last report of metrics, which has all since the beginning, counts.
    pub(crate) counted: u64,
}

#[derive(Debug, Default)]
struct State {
    arrived: Mutex<Vec<Arrived>>,
    more: Condvar,
}

#[derive(Debug)]
struct Arrived {
    path: String,
    body: Bytes,
}

impl Collector {
    /// Starts it, in a thread of its own.
    pub(crate) fn start() -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let state = Arc::new(State::default());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        let shared = Arc::clone(&state);
        thread::spawn(move || runtime.block_on(serve(listener, shared)));
        Ok(Self { address, state })
    }

    /// Adds what arrives to `so_far`, until that is enough. When nothing more arrives for a while,
    /// that is all.
    ///
    /// # Errors
    ///
    /// Something arrived that cannot be decoded.
    pub(crate) fn wait_until(
        &self,
        enough: impl Fn(&Received) -> bool,
        so_far: &mut Received,
    ) -> Result<(), String> {
        let mut arrived = self.state.arrived.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            for it in arrived.drain(..) {
                so_far.add(&it)?;
            }
            if enough(so_far) {
                return Ok(());
            }
            let more = self.state.more.wait_timeout_while(arrived, PATIENCE, |it| it.is_empty());
            let (now, ended) = more.unwrap_or_else(PoisonError::into_inner);
            if ended.timed_out() {
                return Ok(());
            }
            arrived = now;
        }
    }
}

impl Received {
    fn add(&mut self, arrived: &Arrived) -> Result<(), String> {
        let body = arrived.body.clone();
        self.requests += 1;
        self.bytes += body.len() as u64;
        match arrived.path.as_str() {
            ZIPKIN => self.add_zipkin(&body),
            GRPC => self.add_messages(body),
            METRICS => self.add_metrics(body),
            _ => self.add_otlp(body),
        }
        .map_err(|error| format!("what came to {} is wrong: {error}", arrived.path))
    }

    /// Spec: <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md> (Length-Prefixed-Message)
    fn add_messages(&mut self, mut body: Bytes) -> Result<(), String> {
        while body.remaining() >= 5 {
            let (compressed, length) = (body.get_u8(), body.get_u32() as usize);
            if compressed != 0 || body.remaining() < length {
                return Err("compressed, or cut".into());
            }
            self.add_otlp(body.split_to(length))?;
        }
        Ok(())
    }

    fn add_otlp(&mut self, body: Bytes) -> Result<(), String> {
        let request = ExportTraceServiceRequest::decode(body).map_err(|error| error.to_string())?;
        let scopes = request.resource_spans.iter().flat_map(|it| &it.scope_spans);
        for span in scopes.flat_map(|it| &it.spans) {
            self.spans += 1;
            self.attributes.insert(span.attributes.len());
        }
        Ok(())
    }

    fn add_metrics(&mut self, body: Bytes) -> Result<(), String> {
        let report =
            ExportMetricsServiceRequest::decode(body).map_err(|error| error.to_string())?;
        let scopes = report.resource_metrics.iter().flat_map(|it| &it.scope_metrics);
        let metrics = scopes.flat_map(|it| &it.metrics).filter(|it| it.name == REQUESTS);
        let counts = metrics.flat_map(|it| match &it.data {
            Some(Data::Histogram(histogram)) => histogram.data_points.as_slice(),
            _ => &[],
        });
        self.counted = counts.map(|it| it.count).sum();
        Ok(())
    }

    /// Spec: <https://zipkin.io/zipkin-api/#/default/post_spans>
    fn add_zipkin(&mut self, body: &[u8]) -> Result<(), String> {
        let spans: Vec<serde_json::Value> =
            serde_json::from_slice(body).map_err(|error| error.to_string())?;
        for span in spans {
            self.spans += 1;
            let tags = span.get("tags").and_then(serde_json::Value::as_object);
            self.attributes.insert(tags.map_or(0, serde_json::Map::len));
        }
        Ok(())
    }
}

async fn serve(listener: TcpListener, state: Arc<State>) -> io::Result<Infallible> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    loop {
        let (stream, _) = listener.accept().await?;
        let state = Arc::clone(&state);
        tokio::spawn(async move {
            let answer = service_fn(|request| take(request, Arc::clone(&state)));
            let server = auto::Builder::new(TokioExecutor::new());
            // A proxy that ends takes its connections along.
            let _ = server.serve_connection(TokioIo::new(stream), answer).await;
        });
    }
}

async fn take(
    request: Request<Incoming>,
    state: Arc<State>,
) -> Result<Response<http_body_util::combinators::BoxBody<Bytes, Infallible>>, hyper::Error> {
    let path = request.uri().path().to_owned();
    let grpc = path == GRPC;
    let body = request.into_body().collect().await?.to_bytes();
    state.arrived.lock().unwrap_or_else(PoisonError::into_inner).push(Arrived { path, body });
    state.more.notify_all();
    let empty = Full::new(Bytes::from_static(if grpc { &[0; 5] } else { &[] }));
    if !grpc {
        return Ok(Response::new(empty.boxed()));
    }
    let status = (HeaderName::from_static("grpc-status"), HeaderValue::from_static("0"));
    let trailers = HeaderMap::from_iter([status]);
    let body = empty.with_trailers(async { Some(Ok(trailers)) }).boxed();
    let mut response = Response::new(body);
    let kind = HeaderValue::from_static("application/grpc");
    response.headers_mut().insert("content-type", kind);
    Ok(response)
}

/// Where Envoy's OpenTelemetry tracer sends by gRPC.
const GRPC: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
/// Where its Zipkin tracer sends.
pub(crate) const ZIPKIN: &str = "/api/v2/spans";

/// What counts each request of the listeners here once.
const REQUESTS: &str = "http.server.request.duration";
/// Where hopspan sends metrics.
const METRICS: &str = "/v1/metrics";

/// Longer than any of the tracers waits before it sends what it has.
const PATIENCE: Duration = Duration::from_secs(12);
