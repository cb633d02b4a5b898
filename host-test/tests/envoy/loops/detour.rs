//! An address that leads to another one, which is known later: so that a proxy can be told where
//! it will be itself.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// Takes connections, each of which goes on to where it leads. Closed with the value.
pub(super) struct Detour {
    address: SocketAddr,
    to: Arc<OnceLock<SocketAddr>>,
    _connections: JoinSet<()>,
}

impl Detour {
    /// Leads nowhere yet: connections are closed.
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let to = Arc::new(OnceLock::new());
        let mut connections = JoinSet::new();
        connections.spawn(serve(listener, to.clone()));
        Self { address, to, _connections: connections }
    }

    /// Where it begins.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Says where it ends.
    pub(super) fn leads_to(&self, address: SocketAddr) {
        self.to.set(address).expect("one end");
    }
}

async fn serve(listener: TcpListener, to: Arc<OnceLock<SocketAddr>>) {
    let mut connections = JoinSet::new();
    while let Ok((mut here, _)) = listener.accept().await {
        let Some(to) = to.get().copied() else { continue };
        connections.spawn(async move {
            // An error means that one of both sides left.
            if let Ok(mut there) = TcpStream::connect(to).await {
                let _ = copy_bidirectional(&mut here, &mut there).await;
            }
        });
    }
}
