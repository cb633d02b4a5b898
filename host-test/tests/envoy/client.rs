//! Callers: HTTP/1.1, HTTP/2, and raw bytes.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::channel::Channel;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Empty, Full};
use hyper::client::conn::{http1, http2};
use hyper::header::{HOST, HeaderMap, HeaderValue};
use hyper::{Method, Request, Uri};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::AbortHandle;
use tokio::time::sleep;

use crate::deadline::within;

/// The body of a request.
pub(crate) type Body = BoxBody<Bytes, Infallible>;

/// One connection. Closed with the value.
pub(crate) struct Client {
    sender: Sender,
    connection: AbortHandle,
}

enum Sender {
    Http1(http1::SendRequest<Body>),
    Http2(http2::SendRequest<Body>),
}

/// A whole response.
#[derive(Debug)]
pub(crate) struct Reply {
    /// The status code.
    pub(crate) status: u16,
    /// The headers.
    pub(crate) headers: HeaderMap,
    /// The body.
    pub(crate) body: Bytes,
    /// The trailers, or none.
    pub(crate) trailers: HeaderMap,
}

impl Client {
    /// Connects for HTTP/1.1.
    pub(crate) async fn http1(address: SocketAddr) -> Self {
        Self::try_http1(address).await.expect("a connection")
    }

    /// Connects for HTTP/1.1, where perhaps nobody listens.
    ///
    /// # Errors
    ///
    /// When the connection is refused.
    pub(crate) async fn try_http1(address: SocketAddr) -> io::Result<Self> {
        let stream = TokioIo::new(connect(address).await?);
        let (sender, connection) = http1::handshake(stream).await.map_err(io::Error::other)?;
        let connection = tokio::spawn(connection).abort_handle();
        Ok(Self { sender: Sender::Http1(sender), connection })
    }

    /// Connects for HTTP/2, without asking whether the other side speaks it.
    pub(crate) async fn http2(address: SocketAddr) -> Self {
        let stream = TokioIo::new(connect(address).await.expect("a connection"));
        let (sender, connection) =
            http2::handshake(TokioExecutor::new(), stream).await.expect("an HTTP/2 connection");
        let connection = tokio::spawn(connection).abort_handle();
        Self { sender: Sender::Http2(sender), connection }
    }

    /// Connects for HTTP/2, with windows so small that a response of more waits to be read.
    pub(crate) async fn small_http2(address: SocketAddr) -> Self {
        let stream = TokioIo::new(connect(address).await.expect("a connection"));
        let mut client = http2::Builder::new(TokioExecutor::new());
        client.initial_stream_window_size(SMALL_WINDOW);
        let (sender, connection) = client.handshake(stream).await.expect("an HTTP/2 connection");
        let connection = tokio::spawn(connection).abort_handle();
        Self { sender: Sender::Http2(sender), connection }
    }

    /// Sends a request and waits for the end of the response.
    ///
    /// # Errors
    ///
    /// When the connection or the stream ends before the response does.
    pub(crate) async fn send(&mut self, request: Request<Body>) -> hyper::Result<Reply> {
        self.read_after(request, Duration::ZERO).await
    }

    /// Sends a request, and begins to read the body of the response after a pause.
    ///
    /// # Errors
    ///
    /// When the connection or the stream ends before the response does.
    pub(crate) async fn read_after(
        &mut self,
        mut request: Request<Body>,
        pause: Duration,
    ) -> hyper::Result<Reply> {
        let exchange = async {
            let response = match &mut self.sender {
                Sender::Http1(sender) => {
                    sender.ready().await?;
                    let authority = HeaderValue::from_static(AUTHORITY);
                    request.headers_mut().entry(HOST).or_insert(authority);
                    sender.send_request(request).await?
                }
                Sender::Http2(sender) => {
                    sender.ready().await?;
                    let uri = format!("http://{AUTHORITY}{}", request.uri());
                    *request.uri_mut() = Uri::try_from(uri).expect("an absolute URI");
                    sender.send_request(request).await?
                }
            };
            let (parts, body) = response.into_parts();
            if !pause.is_zero() {
                sleep(pause).await;
            }
            let body = body.collect().await?;
            Ok(Reply {
                status: parts.status.as_u16(),
                headers: parts.headers,
                trailers: body.trailers().cloned().unwrap_or_default(),
                body: body.to_bytes(),
            })
        };
        within("a response", exchange).await
    }

    /// Sends a request that is expected to be answered, with any status.
    pub(crate) async fn ask(&mut self, request: Request<Body>) -> Reply {
        self.send(request).await.expect("a whole response")
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

/// A request without a body.
pub(crate) fn get(path: &str) -> Request<Body> {
    request(Method::GET, path, Empty::new().boxed())
}

/// A request with a body.
pub(crate) fn post(path: &str, body: impl Into<Bytes>) -> Request<Body> {
    request(Method::POST, path, Full::new(body.into()).boxed())
}

/// A request whose body comes in two pieces, `pause` apart.
pub(crate) fn post_slowly(path: &str, pause: Duration) -> Request<Body> {
    let (mut sender, body) = Channel::new(1);
    tokio::spawn(async move {
        let _ = sender.send_data(Bytes::from_static(b"first, ")).await;
        sleep(pause).await;
        let _ = sender.send_data(Bytes::from_static(b"second")).await;
    });
    request(Method::POST, path, body.boxed())
}

/// A unary gRPC call: one empty message.
pub(crate) fn grpc(method: &str) -> Request<Body> {
    let mut request = post(&format!("/{method}"), GRPC_MESSAGE);
    request.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
    request.headers_mut().insert("te", HeaderValue::from_static("trailers"));
    request
}

/// Adds a header to those that a request has already.
pub(crate) fn with(
    mut request: Request<Body>,
    name: &'static str,
    value: impl AsRef<[u8]>,
) -> Request<Body> {
    let value = HeaderValue::from_bytes(value.as_ref()).expect("a header value");
    request.headers_mut().append(name, value);
    request
}

/// Connects, for segments that go out at once: timings must not wait for acknowledgements.
async fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

fn request(method: Method, path: &str, body: Body) -> Request<Body> {
    Request::builder().method(method).uri(path).body(body).expect("a request")
}

/// Connects and writes bytes, which may be anything.
pub(crate) async fn raw(address: SocketAddr, bytes: &[u8]) -> TcpStream {
    let mut stream = connect(address).await.expect("a connection");
    stream.write_all(bytes).await.expect("bytes on the way");
    stream
}

/// Reads until `end` has come, or the other side closes.
pub(crate) async fn read_until(stream: &mut TcpStream, end: &str) -> String {
    let mut bytes = Vec::new();
    let read = async {
        while !String::from_utf8_lossy(&bytes).contains(end) {
            match stream.read_buf(&mut bytes).await {
                Ok(0) | Err(_) => break,
                Ok(_) => {}
            }
        }
    };
    within("an answer", read).await;
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The authority of every request that does not choose another.
pub(crate) const AUTHORITY: &str = "shop.test";
/// Bytes of a response's body that [`Client::small_http2`] takes without reading them.
pub(crate) const SMALL_WINDOW: u32 = 65_535;
/// An empty message: not compressed, no bytes long.
pub(crate) const GRPC_MESSAGE: &[u8] = &[0; 5];
