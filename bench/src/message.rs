//! Messages of HTTP/1.1, as far as load and service need them, on streams that do not block.

use std::io::{self, Write};
use std::net::TcpStream;

use rustix::event::{PollFd, PollFlags, poll};

/// How long a message is in all, when its head is there. One that does not say how long its body
/// is has none.
pub(crate) fn length(message: &[u8]) -> Option<usize> {
    let head = message.windows(4).position(|it| it == b"\r\n\r\n")?;
    let body = number(message.get(..head)?, "content-length").unwrap_or_default();
    Some(head + 4 + body)
}

/// The number in a header, which is written in small letters.
pub(crate) fn number(head: &[u8], name: &str) -> Option<usize> {
    let line = format!("{name}: ");
    let mut lines = head.split(|it| *it == b'\n');
    let value = lines.find_map(|it| it.strip_prefix(line.as_bytes()))?;
    str::from_utf8(value).ok()?.trim_end().parse().ok()
}

/// Writes all of it. Long messages take more than the kernel has room for.
///
/// # Errors
///
/// The other side is gone.
pub(crate) fn write(mut stream: &TcpStream, mut message: &[u8]) -> io::Result<()> {
    while !message.is_empty() {
        match stream.write(message) {
            Ok(written) => message = message.get(written..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                poll(&mut [PollFd::new(stream, PollFlags::OUT)], None)?;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[test]
fn the_length_of_a_message_is_known_from_its_head() {
    for (why, message, want) in [
        ("whole", "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nserver: a\r\n\r\nok", Some(51)),
        ("the last line", "HTTP/1.1 200 OK\r\ncontent-length: 200\r\n\r\n", Some(240)),
        ("a request", "POST / HTTP/1.1\r\ncontent-length: 9\r\n\r\nabc", Some(47)),
        ("not yet", "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n", None),
        ("no body", "GET / HTTP/1.1\r\nhost: a\r\n\r\n", Some(27)),
    ] {
        assert_eq!(length(message.as_bytes()), want, "{why}");
    }
}

#[test]
fn a_number_is_that_of_its_header() {
    for (why, head, want) in [
        ("said", "GET / HTTP/1.1\r\nhost: a\r\nx-bytes: 4096\r\n\r\n", Some(4096)),
        ("not said", "GET /x-bytes HTTP/1.1\r\nhost: a\r\n\r\n", None),
        ("another one", "GET / HTTP/1.1\r\nx-bytes-more: 1\r\n\r\n", None),
        ("no number", "GET / HTTP/1.1\r\nx-bytes: many\r\n\r\n", None),
    ] {
        assert_eq!(number(head.as_bytes(), "x-bytes"), want, "{why}");
    }
}
