//! An upstream that speaks in bytes, so that it can do what no decent server does.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::deadline::within;

/// A server of one request for each connection. Closed with the value.
pub(super) struct Rough {
    address: SocketAddr,
    heads: watch::Sender<Vec<String>>,
    _connections: JoinSet<()>,
}

/// What it does when the head of a request has come.
#[derive(Clone, Copy, Debug)]
pub(super) struct Play {
    /// What it says, `PAUSE` apart.
    pub(super) says: &'static [&'static str],
    /// And then.
    pub(super) then: Then,
}

/// What it does when all is said.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Then {
    /// Waits until the other side closes.
    Waits,
    /// Closes.
    Closes,
    /// Resets the connection.
    Resets,
    /// Sends back what comes.
    Echoes,
}

/// Between the things that it says: what comes apart is not read as one.
pub(super) const PAUSE: Duration = Duration::from_millis(30);

impl Rough {
    /// Starts a server that plays by the first line of a request, and by how many came before
    /// with the same.
    pub(super) async fn start(play: impl Fn(&str, usize) -> Play + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let heads = watch::Sender::default();
        let (play, seen) = (Arc::new(play), heads.clone());
        let mut connections = JoinSet::new();
        connections.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (play, seen) = (play.clone(), seen.clone());
                connections.spawn(async move {
                    // Errors are how the other side leaves.
                    let _ = serve(stream, &*play, &seen).await;
                });
            }
        });
        Self { address, heads, _connections: connections }
    }

    /// Where it listens.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits until so many requests have come that say this in their heads, and returns them.
    pub(super) async fn reached(&self, text: &str, count: usize) -> Vec<String> {
        let found = |all: &Vec<String>| {
            all.iter().filter(|it| it.contains(text)).cloned().collect::<Vec<_>>()
        };
        let mut heads = self.heads.subscribe();
        let enough = heads.wait_for(|it| found(it).len() >= count);
        found(&within(&format!("{text:?} at the upstream"), enough).await.unwrap().clone())
    }
}

async fn serve(
    mut stream: TcpStream,
    play: &(impl Fn(&str, usize) -> Play + Sync),
    seen: &watch::Sender<Vec<String>>,
) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut bytes = Vec::new();
    while !bytes.windows(4).any(|it| it == b"\r\n\r\n") {
        if stream.read_buf(&mut bytes).await? == 0 {
            return Ok(());
        }
    }
    let head = String::from_utf8_lossy(&bytes).into_owned();
    let line = head.lines().next().unwrap_or_default();
    let earlier = seen.borrow().iter().filter(|it| it.starts_with(line)).count();
    let play = play(line, earlier);
    seen.send_modify(|it| it.push(head));
    for (index, text) in play.says.iter().enumerate() {
        if index > 0 {
            sleep(PAUSE).await;
        }
        stream.write_all(text.as_bytes()).await?;
    }
    match play.then {
        Then::Waits => while stream.read_buf(&mut bytes).await? > 0 {},
        Then::Closes => sleep(PAUSE).await,
        Then::Resets => {
            // A reset takes with it what is not read yet, so that has to be.
            sleep(PAUSE * 5).await;
            stream.set_zero_linger()?;
        }
        Then::Echoes => {
            let (mut input, mut output) = stream.split();
            tokio::io::copy(&mut input, &mut output).await?;
        }
    }
    Ok(())
}
