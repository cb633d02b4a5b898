//! An OTLP/HTTP receiver that keeps what it is sent, and fails as it is told.
//!
//! Spec: <https://opentelemetry.io/docs/specs/otlp/#otlphttp>

mod mood;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use self::mood::{Answer, Body, Reaction};
pub(crate) use self::mood::{Mood, RetryAfter};
use crate::deadline::{poll, within};
use crate::received::Received;
use crate::upstream::Refusing;

/// A collector. Closed with the value.
pub(crate) struct Collector {
    address: SocketAddr,
    state: Arc<State>,
    received: watch::Sender<Vec<Received>>,
    door: Door,
}

enum Door {
    Open { _connections: JoinSet<()> },
    Closed { _port: Refusing },
}

/// Where spans go that were taken.
type Store = Box<dyn Fn(ExportTraceServiceRequest) + Send + Sync>;

struct State {
    store: Store,
    /// All that came, byte by byte: headers and bodies. `None` where they are too many.
    bytes: Option<Mutex<Vec<u8>>>,
    /// When requests came, whatever became of them.
    requests: watch::Sender<Vec<Instant>>,
    /// Metrics that came, which are always taken.
    metrics: watch::Sender<Vec<ExportMetricsServiceRequest>>,
    /// How many are connected.
    callers: watch::Sender<usize>,
    mood: Mutex<Mood>,
    /// What was wrong with a request; a test must not pass with one.
    complaints: Mutex<Vec<String>>,
}

impl Collector {
    /// Starts a collector that takes everything, and keeps it.
    pub(crate) async fn start() -> Self {
        let received = watch::Sender::default();
        let store = {
            let received: watch::Sender<Vec<Received>> = received.clone();
            move |it| received.send_modify(|all| all.extend(Received::all_of(it)))
        };
        Self::open(received, Box::new(store), Some(Mutex::default())).await
    }

    /// Starts a collector that takes everything, and keeps nothing itself.
    pub(crate) async fn start_into(
        store: impl Fn(ExportTraceServiceRequest) + Send + Sync + 'static,
    ) -> Self {
        Self::open(watch::Sender::default(), Box::new(store), None).await
    }

    async fn open(
        received: watch::Sender<Vec<Received>>,
        store: Store,
        bytes: Option<Mutex<Vec<u8>>>,
    ) -> Self {
        let state = Arc::new(State {
            store,
            bytes,
            requests: watch::Sender::default(),
            metrics: watch::Sender::default(),
            callers: watch::Sender::default(),
            mood: Mutex::new(Mood::Accepting),
            complaints: Mutex::default(),
        });
        let (address, door) = open("127.0.0.1:0".parse().unwrap(), &state).await;
        Self { address, state, received, door }
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
        // A process that another test starts right now has the listener too, for a moment.
        let refusing = poll("the collector's port", async || Refusing::at(self.address).ok());
        self.door = Door::Closed { _port: refusing.await };
    }

    /// Listens again, where it did before.
    pub(crate) async fn reopen(&mut self) {
        // Both may be bound at once: there is no moment in which the port is free.
        let (_, door) = open(self.address, &self.state).await;
        self.door = door;
    }

    /// Waits until so many requests came, taken or not, and says when each of them did.
    pub(crate) async fn asked(&self, count: usize) -> Vec<Instant> {
        let mut requests = self.state.requests.subscribe();
        let enough = requests.wait_for(|it| it.len() >= count);
        within(&format!("{count} requests at the collector"), enough).await.unwrap().clone()
    }

    /// Waits until all have left that had connected so far, and all that they sent is judged.
    pub(crate) async fn left(&self) {
        // They were let in one by one: when the last one is, and sent away again, all are known.
        let mut last = TcpStream::connect(self.address).await.unwrap();
        last.shutdown().await.unwrap();
        assert_eq!(last.read(&mut [0]).await.unwrap(), 0, "a caller that asks nothing");
        let mut callers = self.state.callers.subscribe();
        let gone = callers.wait_for(|it| *it == 0);
        within("callers of the collector to leave", gone).await.unwrap();
    }

    /// How many requests came, taken or not.
    pub(crate) fn requests(&self) -> usize {
        self.state.requests.borrow().len()
    }

    /// Waits for reports of metrics that are as is wanted, and returns all that came.
    pub(crate) async fn metrics(
        &self,
        are_wanted: impl FnMut(&Vec<ExportMetricsServiceRequest>) -> bool,
    ) -> Vec<ExportMetricsServiceRequest> {
        let mut metrics = self.state.metrics.subscribe();
        let enough = metrics.wait_for(are_wanted);
        let came = within("metrics at the collector", enough).await.unwrap().clone();
        self.assert_content();
        came
    }

    /// All that came, byte by byte: headers and bodies.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.state.bytes.as_ref().expect("bytes were kept").lock().unwrap().clone()
    }

    /// Waits for so many spans at least, and returns all that came.
    pub(crate) async fn spans(&self, count: usize) -> Vec<Received> {
        let mut received = self.received.subscribe();
        let enough = received.wait_for(|it| it.len() >= count);
        within(&format!("{count} spans at the collector"), enough).await.unwrap();
        self.spans_now()
    }

    /// All spans that came so far, and were taken.
    pub(crate) fn spans_now(&self) -> Vec<Received> {
        self.assert_content();
        self.received.borrow().clone()
    }

    /// Whatever came could be read.
    pub(crate) fn assert_content(&self) {
        let complaints = self.state.complaints.lock().unwrap();
        assert!(complaints.is_empty(), "the collector could not read: {complaints:?}");
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
        let caller = Caller::of(state.clone());
        connections.spawn(async move {
            let answer = service_fn(|request| caller.0.clone().answer(request));
            // A caller that leaves without hearing the answer may have sent spans all the same.
            let mut http = http1::Builder::new();
            let connection = http.half_close(true).serve_connection(TokioIo::new(stream), answer);
            // An error means that the proxy left, or is how a mood works.
            let _ = connection.await;
        });
    }
}

/// One that is connected, as long as the value is there.
struct Caller(Arc<State>);

impl Caller {
    fn of(state: Arc<State>) -> Self {
        state.callers.send_modify(|it| *it += 1);
        Self(state)
    }
}

impl Drop for Caller {
    fn drop(&mut self) {
        self.0.callers.send_modify(|it| *it -= 1);
    }
}

impl State {
    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> hyper::Result<Response<Body>> {
        let (head, body) = request.into_parts();
        let body = body.collect().await?.to_bytes();
        if let Some(bytes) = &self.bytes {
            let text = format!("{} {:?}\n", head.uri, head.headers);
            bytes.lock().unwrap().extend([text.as_bytes(), &body[..]].concat());
        }
        let content_type = head.headers.get("content-type").map(|it| it.as_bytes());
        let encoding = head.headers.get("content-encoding").map(|it| it.as_bytes());
        let body = crate::unpacked::unpacked(encoding, &body);
        let fit = head.method == "POST" && content_type == Some(b"application/x-protobuf");
        if fit
            && head.uri.path() == "/v1/metrics"
            && let Ok(report) = ExportMetricsServiceRequest::decode(body.clone())
        {
            self.metrics.send_modify(|it| it.push(report));
            return Ok(Answer::status(200).give().await);
        }
        let fit = fit && head.uri.path() == "/v1/traces";
        let reaction = match ExportTraceServiceRequest::decode(body) {
            Ok(request) if fit => self.mood.lock().unwrap().react(request),
            decoded => {
                let complaint = format!("{head:?}: {:?}", decoded.err());
                self.complaints.lock().unwrap().push(complaint);
                Reaction { taken: None, answer: Answer::status(400) }
            }
        };
        if let Some(request) = reaction.taken {
            (self.store)(request);
        }
        self.requests.send_modify(|it| it.push(Instant::now()));
        Ok(reaction.answer.give().await)
    }
}
