//! An OTLP/HTTP receiver that keeps what it is sent, and fails as it is told.
//!
//! Spec: <https://opentelemetry.io/docs/specs/otlp/#otlphttp>

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use prost::Message;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::deadline::within;
use crate::received::Received;
use crate::upstream::Refusing;

/// A collector. Closed with the value.
pub(crate) struct Collector {
    address: SocketAddr,
    state: Arc<State>,
    door: Door,
}

/// What the collector does with a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Mood {
    /// Takes the spans.
    Accepting,
    /// Takes nothing and answers with a status.
    Failing(u16),
    /// Takes nothing and never answers.
    Silent,
}

enum Door {
    Open { _connections: JoinSet<()> },
    Closed { _port: Refusing },
}

struct State {
    received: watch::Sender<Vec<Received>>,
    /// All that came, byte by byte: headers and bodies.
    bytes: Mutex<Vec<u8>>,
    /// How many requests came, whatever became of them.
    requests: watch::Sender<usize>,
    mood: Mutex<Mood>,
    /// What was wrong with a request; a test must not pass with one.
    complaints: Mutex<Vec<String>>,
}

impl Collector {
    /// Starts a collector that takes everything.
    pub(crate) async fn start() -> Self {
        let state = Arc::new(State {
            received: watch::Sender::default(),
            bytes: Mutex::default(),
            requests: watch::Sender::default(),
            mood: Mutex::new(Mood::Accepting),
            complaints: Mutex::default(),
        });
        let (address, door) = open("127.0.0.1:0".parse().unwrap(), &state).await;
        Self { address, state, door }
    }

    /// Where it listens, also when it is closed.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Says what becomes of requests from now on.
    pub(crate) fn set_mood(&self, mood: Mood) {
        *self.state.mood.lock().unwrap() = mood;
    }

    /// Cuts all connections and refuses new ones.
    pub(crate) async fn close(&mut self) {
        if let Door::Open { _connections } = &mut self.door {
            _connections.shutdown().await;
        }
        self.door = Door::Closed { _port: Refusing::at(self.address) };
    }

    /// Listens again, where it did before.
    pub(crate) async fn reopen(&mut self) {
        // Both may be bound at once: there is no moment in which the port is free.
        let (_, door) = open(self.address, &self.state).await;
        self.door = door;
    }

    /// Waits until so many requests came, taken or not.
    pub(crate) async fn asked(&self, count: usize) {
        let mut requests = self.state.requests.subscribe();
        let enough = requests.wait_for(|it| *it >= count);
        within(&format!("{count} requests at the collector"), enough).await.unwrap();
    }

    /// How many requests came, taken or not.
    pub(crate) fn requests(&self) -> usize {
        *self.state.requests.borrow()
    }

    /// All that came, byte by byte: headers and bodies.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.state.bytes.lock().unwrap().clone()
    }

    /// Waits for so many spans at least, and returns all that came.
    pub(crate) async fn spans(&self, count: usize) -> Vec<Received> {
        let mut received = self.state.received.subscribe();
        let spans = {
            let enough = received.wait_for(|it| it.len() >= count);
            within(&format!("{count} spans at the collector"), enough).await.unwrap().clone()
        };
        let complaints = self.state.complaints.lock().unwrap();
        assert!(complaints.is_empty(), "the collector could not read: {complaints:?}");
        spans
    }
}

async fn open(address: SocketAddr, state: &Arc<State>) -> (SocketAddr, Door) {
    let listener = TcpListener::bind(address).await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut connections = JoinSet::new();
    connections.spawn(serve(listener, state.clone()));
    (address, Door::Open { _connections: connections })
}

async fn serve(listener: TcpListener, state: Arc<State>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let state = state.clone();
        connections.spawn(async move {
            let answer = service_fn(|request| state.clone().answer(request));
            // An error means that the proxy left.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await;
        });
    }
}

impl State {
    async fn answer(
        self: Arc<Self>,
        request: Request<Incoming>,
    ) -> hyper::Result<Response<Full<Bytes>>> {
        let (head, body) = request.into_parts();
        let body = body.collect().await?.to_bytes();
        let text = format!("{} {:?}\n", head.uri, head.headers);
        self.bytes.lock().unwrap().extend([text.as_bytes(), &body[..]].concat());
        let mood = *self.mood.lock().unwrap();
        self.requests.send_modify(|it| *it += 1);
        match mood {
            Mood::Accepting => {}
            Mood::Failing(status) => return Ok(response(status, Bytes::new())),
            Mood::Silent => std::future::pending().await,
        }

        let content_type = head.headers.get("content-type").map(|it| it.as_bytes());
        let fit = head.method == "POST"
            && head.uri.path() == "/v1/traces"
            && content_type == Some(b"application/x-protobuf");
        match ExportTraceServiceRequest::decode(body) {
            Ok(request) if fit => {
                self.received.send_modify(|all| all.extend(Received::all_of(request)));
                let answer = ExportTraceServiceResponse::default().encode_to_vec();
                Ok(response(200, answer.into()))
            }
            decoded => {
                let complaint = format!("{head:?}: {:?}", decoded.err());
                self.complaints.lock().unwrap().push(complaint);
                Ok(response(400, Bytes::new()))
            }
        }
    }
}

fn response(status: u16, body: Bytes) -> Response<Full<Bytes>> {
    Response::builder()
        .status(status)
        .header("content-type", "application/x-protobuf")
        .body(Full::new(body))
        .expect("a response")
}
