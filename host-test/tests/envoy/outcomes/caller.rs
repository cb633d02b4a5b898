//! What a caller does with a request: it asks and waits, or it behaves in some other way.

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::{Method, Request};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::places::Places;
use crate::client::{Body, Client, get, raw, read_until, with};

/// Somebody who makes one request.
#[derive(Clone, Debug)]
pub(super) enum Caller {
    /// Asks over HTTP/1.1 and waits for the end.
    Asks(fn(&str) -> Request<Body>),
    /// Asks over HTTP/2 and waits for the end.
    AsksHttp2(fn(&str) -> Request<Body>),
    /// Asks over HTTP/2, and resets the stream when the request has come to the upstream.
    ResetsHttp2,
    /// Makes a WebSocket of an HTTP/2 stream, and ends it.
    ///
    /// Spec: <https://www.rfc-editor.org/rfc/rfc8441>
    ExtendedConnect,
    /// Does all this over HTTP/1.1, and closes the connection.
    Script(Vec<Step>),
}

/// One thing to do on a connection.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// Sends a head with this method and further lines; the rest is the same in all.
    Head(&'static str, String),
    /// Sends this, with the trace context where it says so.
    Says(&'static str),
    /// Waits until the upstream has the request.
    Reached,
    /// Reads until this has come, or the other side closes.
    Reads(&'static str),
    /// Reads until the other side closes.
    ReadsAll,
}

impl Caller {
    /// Makes the request with this path and trace context.
    pub(super) async fn run(self, path: &str, traceparent: &str, places: &Places) {
        let address = places.proxy.address();
        let traced = |request| with(request, "traceparent", traceparent);
        match self {
            // Some of the answers do not end well.
            Self::Asks(request) => {
                let _ = Client::http1(address).await.send(traced(request(path))).await;
            }
            Self::AsksHttp2(request) => {
                let _ = Client::http2(address).await.send(traced(request(path))).await;
            }
            Self::ResetsHttp2 => {
                let mut client = Client::http2(address).await;
                tokio::select! {
                    reply = client.send(traced(get(path))) => panic!("an answer: {reply:?}"),
                    _ = places.rough.reached(path, 1) => {}
                }
                // The connection stays, so that it is the stream alone that ends.
                places.line(traceparent).await;
            }
            Self::ExtendedConnect => {
                let mut client = Client::http2(address).await;
                // Whether the other side knows of it is said in its settings.
                client.ask(with(get("/settings"), "traceparent", OTHER_TRACE)).await;
                let request = Request::builder().method(Method::CONNECT).uri(path);
                let request = request.extension(hyper::ext::Protocol::from_static("websocket"));
                let request = request.header("sec-websocket-version", "13");
                let request = request.body(Empty::<Bytes>::new().boxed()).unwrap();
                client.ask(traced(request)).await;
                places.line(traceparent).await;
            }
            Self::Script(steps) => {
                let mut stream = raw(address, b"").await;
                for step in steps {
                    step.run(&mut stream, path, traceparent, places).await;
                }
            }
        }
    }
}

impl Step {
    async fn run(self, stream: &mut TcpStream, path: &str, traceparent: &str, places: &Places) {
        match self {
            Self::Head(method, lines) => {
                let host = "host: shop.test:80\r\n";
                let path = if method == "CONNECT" { "shop.test:80" } else { path };
                let head = format!(
                    "{method} {path} HTTP/1.1\r\n{host}traceparent: {traceparent}\r\n{lines}\r\n"
                );
                stream.write_all(head.as_bytes()).await.expect("a head on the way");
            }
            Self::Says(text) => {
                let text = text.replace("{traceparent}", traceparent);
                let text = text.replace("{other}", OTHER_TRACE);
                stream.write_all(text.as_bytes()).await.expect("text on the way");
            }
            Self::Reached => drop(places.rough.reached(path, 1).await),
            Self::Reads(text) => {
                let read = read_until(stream, text).await;
                assert!(read.contains(text), "{path}: {text:?} in {read:?}");
            }
            Self::ReadsAll => drop(read_until(stream, "never said").await),
        }
    }
}

/// The context of a request that nobody looks at.
pub(super) const OTHER_TRACE: &str = "00-0000000000000000000000000000ffff-00f067aa0ba902b7-00";
