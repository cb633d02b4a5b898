//! The service behind the proxy: it answers as the test says, and remembers what it was asked.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::channel::Channel;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{HeaderMap, HeaderName};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::client::GRPC_MESSAGE;
use crate::deadline::within;
use crate::traceparent::Traceparent;

/// A server of HTTP/1.1 and HTTP/2. Closed with the value.
pub(crate) struct Upstream {
    address: SocketAddr,
    seen: watch::Sender<Vec<Seen>>,
    _connections: JoinSet<()>,
}

/// What the service does with a request. It reads the whole request first.
pub(crate) enum Answer {
    /// Does something else before it knows.
    Later(Pin<Box<dyn Future<Output = Answer> + Send>>),
    /// Answers after a time.
    Reply {
        /// How long the service works.
        after: Duration,
        /// The status code.
        status: u16,
        /// Headers.
        headers: Vec<Field>,
        /// The body.
        body: &'static [u8],
        /// Trailers, if any.
        trailers: Vec<Field>,
    },
    /// Closes the connection instead of an answer.
    Close,
    /// Answers 200 and closes the connection in the middle of the body.
    Cut,
}

/// Name and value of a header or trailer.
pub(crate) type Field = (&'static str, String);

/// A request, as the service received it.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// Path and query.
    pub(crate) path: String,
    /// Every header with every value, as bytes.
    pub(crate) headers: HeaderMap,
    /// How many requests came before.
    pub(crate) index: usize,
}

impl Upstream {
    /// Starts a service that answers as it is told for each request.
    pub(crate) async fn start(answer: impl Fn(&Seen) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = watch::Sender::default();
        let service = Arc::new(Service { seen: seen.clone(), answer: Box::new(answer) });
        let mut connections = JoinSet::new();
        connections.spawn(serve(listener, service));
        Self { address, seen, _connections: connections }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits until so many requests have come, and returns all of them.
    pub(crate) async fn seen(&self, count: usize) -> Vec<Seen> {
        let mut seen = self.seen.subscribe();
        let enough = seen.wait_for(|it| it.len() >= count);
        within(&format!("{count} requests at the upstream"), enough).await.unwrap().clone()
    }
}

impl Answer {
    /// Answers at once.
    pub(crate) fn status(status: u16) -> Self {
        let (headers, trailers) = (Vec::new(), Vec::new());
        Self::Reply { after: Duration::ZERO, status, headers, body: b"hello", trailers }
    }

    /// Answers 200 after a time.
    pub(crate) fn after(after: Duration) -> Self {
        let (headers, trailers) = (Vec::new(), Vec::new());
        Self::Reply { after, status: 200, headers, body: b"hello", trailers }
    }

    /// Answers 200 with a header.
    pub(crate) fn header(name: &'static str, value: &str) -> Self {
        let (headers, trailers) = (vec![(name, value.to_owned())], Vec::new());
        Self::Reply { after: Duration::ZERO, status: 200, headers, body: b"hello", trailers }
    }

    /// Ends a gRPC call with a status code in the trailers, after one message.
    pub(crate) fn grpc(code: u32) -> Self {
        Self::Reply {
            after: Duration::ZERO,
            status: 200,
            headers: vec![("content-type", "application/grpc".to_owned())],
            body: GRPC_MESSAGE,
            trailers: vec![("grpc-status", code.to_string())],
        }
    }

    /// Ends a gRPC call with a status code in the headers, which are all of the response.
    pub(crate) fn grpc_trailers_only(code: u32) -> Self {
        Self::Reply {
            after: Duration::ZERO,
            status: 200,
            headers: vec![
                ("content-type", "application/grpc".to_owned()),
                ("grpc-status", code.to_string()),
            ],
            body: b"",
            trailers: Vec::new(),
        }
    }
}

impl Seen {
    /// The context that came: exactly one header, and a valid one.
    ///
    /// # Panics
    ///
    /// When there is none, more than one, or one that breaks the grammar.
    #[track_caller]
    pub(crate) fn traceparent(&self) -> Traceparent {
        let values: Vec<_> = self.headers.get_all("traceparent").iter().collect();
        match values.as_slice() {
            [value] => Traceparent::parse(value.as_bytes()),
            _ => panic!("exactly one traceparent, not {values:?}"),
        }
    }

    /// The text of a header that came once; `None` when it did not come.
    #[track_caller]
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let values: Vec<_> = self.headers.get_all(name).iter().collect();
        match values.as_slice() {
            [] => None,
            [value] => Some(value.to_str().expect("visible ASCII")),
            _ => panic!("one {name} at most, not {values:?}"),
        }
    }
}

/// An address where connections are refused, as long as the value lives.
pub(crate) struct Refusing(TcpSocket);

impl Refusing {
    /// Takes any free address.
    pub(crate) fn anywhere() -> Self {
        Self::at("127.0.0.1:0".parse().unwrap()).unwrap()
    }

    /// Takes this address, where somebody may have listened before.
    ///
    /// # Errors
    ///
    /// When somebody still does.
    pub(crate) fn at(address: SocketAddr) -> io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.set_reuseaddr(true)?;
        // Bound and not listening: the kernel refuses, and gives the port to nobody else.
        socket.bind(address)?;
        Ok(Self(socket))
    }

    /// Which address it is.
    pub(crate) fn address(&self) -> SocketAddr {
        self.0.local_addr().unwrap()
    }
}

type ReplyBody = BoxBody<Bytes, io::Error>;

struct Service {
    seen: watch::Sender<Vec<Seen>>,
    answer: Box<dyn Fn(&Seen) -> Answer + Send + Sync>,
}

async fn serve(listener: TcpListener, service: Arc<Service>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let service = service.clone();
        // Timings must not wait for acknowledgements.
        let _ = stream.set_nodelay(true);
        connections.spawn(async move {
            let mut server = auto::Builder::new(TokioExecutor::new());
            server.http1().max_headers(200);
            let answer = service_fn(|request| service.clone().answer(request));
            // An error is how `Close` and `Cut` work, and how proxies leave.
            let _ = server.serve_connection(TokioIo::new(stream), answer).await;
        });
    }
}

impl Service {
    async fn answer(
        self: Arc<Self>,
        request: Request<Incoming>,
    ) -> io::Result<Response<ReplyBody>> {
        let mut answer = self.notice(&request);
        while let Answer::Later(known) = answer {
            answer = known.await;
        }
        match answer {
            Answer::Later(_) => unreachable!("it was waited for"),
            Answer::Reply { after, status, headers, body, trailers } => {
                let _ = request.into_body().collect().await;
                sleep(after).await;
                let body = Full::new(Bytes::from_static(body)).map_err(|it| match it {});
                let mut response = Response::new(if trailers.is_empty() {
                    body.boxed()
                } else {
                    body.with_trailers(async { Some(Ok(fields(trailers))) }).boxed()
                });
                *response.status_mut() = status.try_into().unwrap();
                *response.headers_mut() = fields(headers);
                Ok(response)
            }
            Answer::Close => Err(closed()),
            Answer::Cut => {
                let (mut sender, body) = Channel::new(1);
                tokio::spawn(async move {
                    let _ = sender.send_data(Bytes::from_static(b"half of it")).await;
                    // The half is on its way before the end is.
                    sleep(Duration::from_millis(20)).await;
                    sender.abort(closed());
                });
                Ok(Response::builder().header("content-length", 20).body(body.boxed()).unwrap())
            }
        }
    }

    fn notice(&self, request: &Request<Incoming>) -> Answer {
        let mut seen = Seen {
            path: request.uri().path_and_query().map(ToString::to_string).unwrap_or_default(),
            headers: request.headers().clone(),
            index: 0,
        };
        self.seen.send_modify(|all| {
            seen.index = all.len();
            all.push(seen.clone());
        });
        (self.answer)(&seen)
    }
}

fn closed() -> io::Error {
    io::Error::from(io::ErrorKind::ConnectionReset)
}

fn fields(fields: Vec<Field>) -> HeaderMap {
    fields
        .into_iter()
        .map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()))
        .collect()
}
