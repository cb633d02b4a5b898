//! A wire between a proxy and its collector: it passes on every byte, and remembers it.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// Cut with the value.
pub(crate) struct Wire {
    address: SocketAddr,
    passed: Passed,
    _connections: JoinSet<()>,
}

/// What went each way: in whatever order, if there is more than one connection.
#[derive(Clone, Default)]
struct Passed {
    there: Arc<Mutex<Vec<u8>>>,
    back: Arc<Mutex<Vec<u8>>>,
}

impl Wire {
    /// A wire to this address.
    pub(crate) async fn to(collector: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let passed = Passed::default();
        let mut connections = JoinSet::new();
        connections.spawn(accept(listener, collector, passed.clone()));
        Self { address, passed, _connections: connections }
    }

    /// Where the proxy finds its collector.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The heads of all requests: the first line and the headers.
    pub(crate) fn requests(&self) -> Vec<String> {
        heads(&self.passed.there.lock().unwrap(), b"POST /")
    }

    /// The heads of all answers.
    pub(crate) fn answers(&self) -> Vec<String> {
        heads(&self.passed.back.lock().unwrap(), b"HTTP/1.1 ")
    }
}

async fn accept(listener: TcpListener, collector: SocketAddr, passed: Passed) {
    let mut connections = JoinSet::new();
    while let Ok((mut near, _)) = listener.accept().await {
        let passed = passed.clone();
        connections.spawn(async move {
            // Where nobody listens, the proxy finds a connection that ends at once.
            let Ok(mut far) = TcpStream::connect(collector).await else { return };
            let (mut from_proxy, mut to_proxy) = near.split();
            let (mut from_collector, mut to_collector) = far.split();
            // The end of one way is the end of both.
            tokio::select! {
                () = pass_on(&mut from_proxy, &mut to_collector, &passed.there) => (),
                () = pass_on(&mut from_collector, &mut to_proxy, &passed.back) => (),
            }
        });
    }
}

async fn pass_on(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    passed: &Mutex<Vec<u8>>,
) {
    let mut some = vec![0; 64 * 1024];
    while let Ok(count @ 1..) = from.read(&mut some).await {
        passed.lock().unwrap().extend(&some[..count]);
        if to.write_all(&some[..count]).await.is_err() {
            return;
        }
    }
}

/// What begins with `first`, up to the empty line.
fn heads(bytes: &[u8], first: &[u8]) -> Vec<String> {
    let starts = (0..bytes.len()).filter(|at| bytes[*at..].starts_with(first));
    let head = |at: usize| {
        let text = String::from_utf8_lossy(&bytes[at..]);
        text.split("\r\n\r\n").next().unwrap_or_default().to_owned()
    };
    starts.map(head).collect()
}
