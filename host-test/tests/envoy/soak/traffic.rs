//! Traffic that costs little beside what it goes through: bytes in, bytes out. Each request
//! belongs to a trace of its own, whose id is the request's number.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use crate::load::Latencies;

/// Requests one after the other on each of some connections, until they are stopped.
pub(super) struct Traffic {
    stop: Arc<AtomicBool>,
    took: Arc<Mutex<Vec<Duration>>>,
    connections: JoinSet<()>,
}

/// The numbers of requests: one for each trace.
#[derive(Clone, Default)]
pub(super) struct Numbers(Arc<AtomicU64>);

impl Traffic {
    /// Begins, with so many requests a second in all, or as many as go through.
    pub(super) fn start(proxy: SocketAddr, numbers: &Numbers, rate: Option<f64>) -> Self {
        let (stop, took) = (Arc::new(AtomicBool::new(false)), Arc::default());
        let pause = rate.map(|it| Duration::from_secs_f64(CONNECTIONS as f64 / it));
        let connections = (0..CONNECTIONS)
            .map(|_| ask(proxy, numbers.clone(), pause, Arc::clone(&stop), Arc::clone(&took)))
            .collect();
        Self { stop, took, connections }
    }

    /// How long the requests since the last lap took.
    pub(super) fn lap(&self) -> Latencies {
        std::mem::take(&mut *self.took.lock().unwrap()).into()
    }

    /// Ends with the requests under way.
    ///
    /// # Panics
    ///
    /// When a request failed.
    pub(super) async fn stop(mut self) {
        self.stop.store(true, Ordering::Relaxed);
        while let Some(ended) = self.connections.join_next().await {
            ended.expect("no request fails");
        }
    }
}

impl Numbers {
    /// How many there were.
    pub(super) fn used(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    fn next(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed)
    }
}

async fn ask(
    proxy: SocketAddr,
    numbers: Numbers,
    pause: Option<Duration>,
    stop: Arc<AtomicBool>,
    took: Arc<Mutex<Vec<Duration>>>,
) {
    let mut stream = TcpStream::connect(proxy).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let mut beat = pause.map(interval);
    if let Some(beat) = &mut beat {
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    }
    let mut answer = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        if let Some(beat) = &mut beat {
            beat.tick().await;
        }
        // No trace-id is zero.
        let trace = numbers.next() + 1;
        let request = format!(
            "GET /cart HTTP/1.1\r\nhost: shop.test\r\nuser-agent: soak\r\n\
             traceparent: 00-{trace:032x}-{trace:016x}-01\r\n\r\n"
        );
        let asked = Instant::now();
        stream.write_all(request.as_bytes()).await.unwrap();
        answer.clear();
        while !answer.ends_with(END) {
            let read = stream.read_buf(&mut answer).await.unwrap();
            assert_ne!(read, 0, "the connection was closed: {}", answer.escape_ascii());
        }
        took.lock().unwrap().push(asked.elapsed());
        assert!(answer.starts_with(b"HTTP/1.1 200 "), "{}", answer.escape_ascii());
    }
}

/// A service that answers every request with the same. Ends with the value.
pub(super) async fn service() -> (SocketAddr, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            connections.spawn(serve(stream));
        }
    });
    (address, tasks)
}

/// Envoy sends a request of a connection when the last was answered.
async fn serve(mut stream: TcpStream) {
    let _ = stream.set_nodelay(true);
    let mut request = Vec::new();
    while let Ok(1..) = stream.read_buf(&mut request).await {
        if request.ends_with(b"\r\n\r\n") {
            request.clear();
            if stream.write_all(ANSWER).await.is_err() {
                break;
            }
        }
    }
}

/// How many requests are under way at most.
const CONNECTIONS: usize = 8;
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";
const END: &[u8] = b"\r\n\r\nhello";
