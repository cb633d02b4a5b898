//! A service that costs little: a request gets two bytes, or as many as it asks for.

use std::io::{self, Read};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

use rustix::event::{PollFd, PollFlags, poll};

use crate::message::{length, number, write};

/// The header that says how many bytes the body shall have.
pub(crate) const BYTES: &str = "x-bytes";

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
    let mut connections: Vec<Connection> = Vec::new();
    loop {
        let mut waiting = vec![PollFd::new(listener, PollFlags::IN)];
        waiting.extend(connections.iter().map(|it| PollFd::new(&it.stream, PollFlags::IN)));
        if poll(&mut waiting, None).is_err() {
            continue; // a signal
        }
        let ready: Vec<bool> = waiting.iter().map(|it| !it.revents().is_empty()).collect();
        let mut others = ready.iter().skip(1);
        connections.retain_mut(|it| others.next() != Some(&true) || it.turn().is_ok());
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
    /// Reads what is there, and answers if that is all of a request.
    fn turn(&mut self) -> io::Result<()> {
        let mut buffer = [0; 16_384];
        match self.stream.read(&mut buffer) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(read) => self.request.extend_from_slice(buffer.get(..read).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        if length(&self.request).is_some_and(|whole| self.request.len() >= whole) {
            let bytes = number(&self.request, BYTES).unwrap_or(2);
            self.request.clear();
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {bytes}\r\n\r\n");
            write(&self.stream, &[head.as_bytes(), &vec![b'o'; bytes]].concat())?;
        }
        Ok(())
    }
}
