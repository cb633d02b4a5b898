//! Requests over connections that stay, from one thread: as many as go through, or so many a second.

use std::collections::VecDeque;
use std::io::Read;
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::message::{length, write};
use crate::variant::Variant;

/// Connections to a proxy.
#[derive(Debug)]
pub(crate) struct Load {
    connections: Vec<Connection>,
    /// Those without a request under way.
    idle: VecDeque<usize>,
    method: &'static str,
    headers: String,
    body: Vec<u8>,
}

/// When to stop.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Until {
    /// After so many requests.
    Requests(u64),
    /// After this time.
    Passed(Duration),
}

#[derive(Debug)]
struct Connection {
    stream: TcpStream,
    answer: Vec<u8>,
    /// When its request was due.
    due: Option<Instant>,
}

impl Load {
    /// Connects, to ask as a variant wants it.
    pub(crate) fn connect(to: SocketAddr, count: usize, variant: &Variant) -> Result<Self, String> {
        let connect = || {
            let stream = TcpStream::connect(to)?;
            stream.set_nodelay(true)?;
            stream.set_nonblocking(true)?;
            Ok(Connection { stream, answer: Vec::new(), due: None })
        };
        let connections: Result<Vec<_>, std::io::Error> = (0..count).map(|_| connect()).collect();
        let connections = connections.map_err(|error| format!("connecting to {to}: {error}"))?;
        let (method, length) = match variant.body {
            None => ("GET", String::new()),
            Some(bytes) => ("POST", format!("content-length: {bytes}\r\n")),
        };
        let headers = format!("{HEADERS}{}{length}\r\n", variant.headers);
        let body = vec![b'i'; variant.body.unwrap_or_default()];
        Ok(Self { connections, idle: (0..count).collect(), method, headers, body })
    }

    /// Asks for [`PATH`]. `rate` is requests a second; without one, each connection asks again
    /// when it has its answer. Returns how long each request took from when it was due: a
    /// request that had to wait for a connection has waited.
    pub(crate) fn ask(&mut self, until: Until, rate: Option<f64>) -> Result<Vec<Duration>, String> {
        self.ask_for(until, rate, |_| PATH.to_owned())
    }

    /// The same for other paths, by the request's number.
    pub(crate) fn ask_for(
        &mut self,
        until: Until,
        rate: Option<f64>,
        path: impl Fn(u64) -> String,
    ) -> Result<Vec<Duration>, String> {
        let began = Instant::now();
        let mut took = Vec::new();
        let mut sent = 0;
        loop {
            let now = Instant::now();
            let over = match until {
                Until::Requests(count) => sent >= count,
                Until::Passed(time) => now.duration_since(began) >= time,
            };
            if over && self.idle.len() == self.connections.len() {
                return Ok(took);
            }
            let next = rate.map(|it| began + Duration::from_secs_f64(sent as f64 / it));
            let due = next.unwrap_or(now);
            if !over
                && due <= now
                && let Some(free) = self.idle.pop_front()
            {
                self.send(free, due, &path(sent), sent)?;
                sent += 1;
                continue;
            }
            let pause = if over { None } else { next.map(|it| it.saturating_duration_since(now)) };
            self.receive(pause.filter(|it| !it.is_zero()), &mut took)?;
        }
    }

    fn send(&mut self, free: usize, due: Instant, path: &str, number: u64) -> Result<(), String> {
        // Envoy's own tracers decide by the first eight digits of the id: each has its turn.
        let id = number.wrapping_mul(0x9e37_79b1) as u32;
        let head = format!(
            "{} {path} HTTP/1.1\r\nx-request-id: {id:08x}-1111-4a3b-9f3e-1234567890ab\r\n{}",
            self.method, self.headers
        );
        let connection = self.connections.get_mut(free).ok_or("no such connection")?;
        connection.due = Some(due);
        let request = [head.as_bytes(), &self.body].concat();
        write(&connection.stream, &request).map_err(|error| format!("send: {error}"))
    }

    /// Waits for answers, or for `pause` to pass.
    fn receive(&mut self, pause: Option<Duration>, took: &mut Vec<Duration>) -> Result<(), String> {
        let flying = |it: &Connection| it.due.is_some();
        let numbers = self.connections.iter().enumerate().filter(|(_, it)| flying(it));
        let numbers: Vec<_> = numbers.map(|(number, _)| number).collect();
        let mut waiting: Vec<_> = (self.connections.iter().filter(|it| flying(it)))
            .map(|it| PollFd::new(&it.stream, PollFlags::IN))
            .collect();
        let limit = pause.unwrap_or(PATIENCE);
        let timeout = Timespec {
            tv_sec: limit.as_secs().cast_signed(),
            tv_nsec: limit.subsec_nanos().into(),
        };
        let ready = poll(&mut waiting, Some(&timeout)).map_err(|error| format!("poll: {error}"))?;
        if ready == 0 && pause.is_none() {
            return Err(format!("no answer for {} s", PATIENCE.as_secs()));
        }
        let ready: Vec<_> = waiting.iter().map(|it| !it.revents().is_empty()).collect();
        for (number, _) in numbers.into_iter().zip(ready).filter(|(_, ready)| *ready) {
            let connection = self.connections.get_mut(number).ok_or("no such connection")?;
            if let Some(since) = connection.read()? {
                took.push(since.elapsed());
                self.idle.push_back(number);
            }
        }
        Ok(())
    }
}

impl Connection {
    /// Reads what is there. When it is the end of the answer, since when it was due.
    fn read(&mut self) -> Result<Option<Instant>, String> {
        let mut buffer = [0; 8192];
        let read = self.stream.read(&mut buffer).map_err(|error| format!("receive: {error}"))?;
        if read == 0 {
            return Err("the proxy closed a connection".into());
        }
        self.answer.extend_from_slice(buffer.get(..read).unwrap_or_default());
        let Some(whole) = length(&self.answer) else { return Ok(None) };
        if self.answer.len() < whole {
            return Ok(None);
        }
        if !self.answer.starts_with(b"HTTP/1.1 200 ") {
            return Err(format!("an answer that is not 200: {}", self.answer.escape_ascii()));
        }
        self.answer.clear();
        Ok(self.due.take())
    }
}

/// The path of a route of its own, by a number below 17,576: it is a word.
pub(crate) fn word(number: u64) -> String {
    let letter = |number: u64| char::from(b'a' + (number % 26) as u8);
    let word: String = [number / 676, number / 26, number].map(letter).iter().collect();
    format!("/{word}")
}

/// With the id, and with method, path and scheme, the proxy has eleven.
const HEADERS: &str = "host: shop.example:8080\r\n\
     accept: */*\r\n\
     accept-encoding: gzip\r\n\
     user-agent: Mozilla/5.0 (X11; Linux x86_64)\r\n\
     x-a: 1\r\n\
     x-b: 2\r\n\
     cookie: a=b\r\n";
const PATH: &str = "/cart/1?x=1";
/// How long an answer may take. Under callgrind, the first one takes long.
const PATIENCE: Duration = Duration::from_secs(60);
