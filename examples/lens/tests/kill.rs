//! The program is killed in the middle of its work: what it acknowledged is there afterwards.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use serde_json::{Value, json};

struct Lens {
    child: Child,
    address: SocketAddr,
    /// Kept open: a program whose output nobody reads ends.
    _said: BufReader<ChildStdout>,
}

impl Lens {
    fn start(directory: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_hopspan-lens"))
            .args(["--listen", "127.0.0.1:0", "--data"])
            .arg(directory)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut said = BufReader::new(child.stdout.take().unwrap());
        said.read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("page       http://").unwrap();
        let address = address.trim_end_matches('/').parse().unwrap();
        Self { child, address, _said: said }
    }

    /// Status and body; `None` if nobody answers any more.
    fn request(&self, request: &str) -> Option<(u16, String)> {
        let mut stream = TcpStream::connect(self.address).ok()?;
        stream.write_all(request.as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
    }

    fn send(&self, body: &Value) -> Option<u16> {
        let body = body.to_string();
        let head = "POST /v1/traces HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
                    content-type: application/json";
        let request = format!("{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        self.request(&request).map(|(status, _)| status)
    }

    fn ask(&self, path: &str) -> (u16, Value) {
        let request = format!("GET {path} HTTP/1.0\r\nhost: localhost\r\n\r\n");
        let (status, body) = self.request(&request).unwrap();
        (status, serde_json::from_str(&body).unwrap())
    }
}

impl Drop for Lens {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A whole request: so many spans of the trace with this number.
fn trace(number: u64) -> Value {
    let spans: Vec<Value> = (1..=SPANS)
        .map(|id| {
            json!({
                "traceId": format!("{number:032x}"), "spanId": format!("{id:016x}"), "name": "x",
                "startTimeUnixNano": "1700000000000000000",
                "endTimeUnixNano": "1700000000001000000",
            })
        })
        .collect();
    json!({ "resourceSpans": [{ "scopeSpans": [{ "spans": spans }] }] })
}

const SPANS: u64 = 40;

#[test]
fn what_was_acknowledged_outlives_a_kill_and_nothing_is_half_there() {
    let directory = tempfile::tempdir().unwrap();
    let (next, acknowledged) = (AtomicU64::new(1), Mutex::new(Vec::new()));
    for round in 1..=3 {
        let mut lens = Lens::start(directory.path());
        let pid = lens.child.id();
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    loop {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        match lens.send(&trace(number)) {
                            Some(200) => acknowledged.lock().unwrap().push(number),
                            Some(status) => panic!("status {status}"),
                            None => return,
                        }
                        // In the middle of what the others send.
                        if acknowledged.lock().unwrap().len() >= round * 100 {
                            let pid = pid.to_string();
                            Command::new("kill").args(["-KILL", &pid]).status().unwrap();
                            return;
                        }
                    }
                });
            }
        });
        lens.child.wait().unwrap();
    }
    let lens = Lens::start(directory.path());
    let acknowledged = acknowledged.into_inner().unwrap();
    assert!(acknowledged.len() >= 300);
    for number in 1..next.into_inner() {
        let (status, trace) = lens.ask(&format!("/api/traces/{number:032x}"));
        match status {
            200 => assert_eq!(trace["spans"].as_array().unwrap().len() as u64, SPANS),
            404 => assert!(!acknowledged.contains(&number), "{number} was acknowledged"),
            other => panic!("{other}: {trace}"),
        }
    }
    drop(lens);
    let file = rusqlite::Connection::open(directory.path().join("lens.db")).unwrap();
    let check: String = file.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(check, "ok");
}

#[test]
fn a_second_one_does_not_share_the_directory() {
    let directory = tempfile::tempdir().unwrap();
    let _lens = Lens::start(directory.path());
    let second = Command::new(env!("CARGO_BIN_EXE_hopspan-lens"))
        .args(["--listen", "127.0.0.1:0", "--data"])
        .arg(directory.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&second.stderr);
    assert_eq!(second.status.code(), Some(1));
    assert!(said.contains("another process uses this directory"), "{said}");
}
