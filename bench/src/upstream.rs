//! A service that costs little: every request gets the same few bytes.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

use rustix::event::{PollFd, PollFlags, poll};

/// The body that every request gets.
pub(crate) const BODY: &str = "ok";

/// Starts it, for as long as this process lives.
pub(crate) fn start() -> io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    thread::spawn(move || serve(&listener));
    Ok(address)
}

/// One thread for all: a connection each would be a switch of threads for every request.
fn serve(listener: &TcpListener) {
    let answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: {}\r\n\r\n{BODY}",
        BODY.len()
    );
    let mut connections: Vec<Connection> = Vec::new();
    loop {
        let mut waiting = vec![PollFd::new(listener, PollFlags::IN)];
        waiting.extend(connections.iter().map(|it| PollFd::new(&it.stream, PollFlags::IN)));
        if poll(&mut waiting, None).is_err() {
            continue; // a signal
        }
        let ready: Vec<bool> = waiting.iter().map(|it| !it.revents().is_empty()).collect();
        let mut others = ready.iter().skip(1);
        connections
            .retain_mut(|it| others.next() != Some(&true) || it.turn(answer.as_bytes()).is_ok());
        while let Ok((stream, _)) = listener.accept() {
            if stream.set_nodelay(true).and_then(|()| stream.set_nonblocking(true)).is_ok() {
                connections.push(Connection { stream, request: Vec::new() });
            }
        }
    }
}

struct Connection {
    stream: TcpStream,
    request: Vec<u8>,
}

impl Connection {
    /// Reads what is there, and answers if that is all of a request, which has no body.
    fn turn(&mut self, answer: &[u8]) -> io::Result<()> {
        let mut buffer = [0; 8192];
        match self.stream.read(&mut buffer) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(read) => self.request.extend_from_slice(buffer.get(..read).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        if self.request.ends_with(b"\r\n\r\n") {
            self.request.clear();
            self.stream.write_all(answer)?;
        }
        Ok(())
    }
}
