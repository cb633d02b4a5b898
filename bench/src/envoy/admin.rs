//! What Envoy's admin interface tells.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;

use serde_json::Value;

use super::PATIENCE;
use crate::bootstrap::LISTENER;

/// The listener's address, when Envoy takes requests.
pub(super) fn listener(admin: &Path) -> Option<SocketAddr> {
    let admin: SocketAddr = fs::read_to_string(admin).ok()?.trim().parse().ok()?;
    if !get(admin, "/ready")?.ends_with("LIVE\n") {
        return None;
    }
    let listeners: Value = serde_json::from_str(&get(admin, "/listeners?format=json")?).ok()?;
    let listeners = listeners.get("listener_statuses")?.as_array()?;
    let listener = listeners.iter().find(|it| it.get("name").is_some_and(|it| it == LISTENER))?;
    let port = listener.pointer("/local_address/socket_address/port_value")?.as_u64()?;
    Some(SocketAddr::from(([127, 0, 0, 1], u16::try_from(port).ok()?)))
}

/// The body of a page of the admin interface.
fn get(admin: SocketAddr, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(admin).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    // Without chunks, to the end of the connection.
    write!(stream, "GET {path} HTTP/1.1\r\nhost: admin\r\nconnection: close\r\n\r\n").ok()?;
    let mut reply = String::new();
    stream.read_to_string(&mut reply).ok()?;
    let (head, body) = reply.split_once("\r\n\r\n")?;
    let chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
    Some(if chunked { unchunked(body)? } else { body.to_owned() })
}

/// Spec: <https://www.rfc-editor.org/rfc/rfc9112#section-7.1>
fn unchunked(mut body: &str) -> Option<String> {
    let mut whole = String::new();
    loop {
        let (size, rest) = body.split_once("\r\n")?;
        let size = usize::from_str_radix(size, 16).ok()?;
        if size == 0 {
            return Some(whole);
        }
        whole.push_str(rest.get(..size)?);
        body = rest.get(size + 2..)?;
    }
}

#[test]
fn chunks_are_put_together() {
    for (why, body, want) in [
        ("two", "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", Some("abcde")),
        ("cut", "3\r\nab", None),
        ("none", "0\r\n\r\n", Some("")),
    ] {
        assert_eq!(unchunked(body).as_deref(), want, "{why}");
    }
}
