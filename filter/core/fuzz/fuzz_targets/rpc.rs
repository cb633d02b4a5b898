//! A body that ends a call: whatever came before, in whatever chunks, its status is found; and
//! any bytes at all can be looked through for one.
#![no_main]

use hopspan_core::request::Headers;
use hopspan_core::request::fields::RequestFields;
use hopspan_core::semconv::piece::Piece;
use hopspan_core::semconv::rpc::{Protocol, Response};

/// The messages of a stream, the status at its end, and where its chunks end.
type Input<'a> = (u8, Vec<&'a [u8]>, u8, Vec<u8>);

const CODES: [&str; 4] = ["canceled", "not_found", "internal", "unauthenticated"];

libfuzzer_sys::fuzz_target!(|input: Input<'_>| {
    let (kind, messages, status, ends) = input;
    let protocol = match kind % 4 {
        0 => Protocol::GrpcWeb,
        1 => Protocol::ConnectStream,
        2 => Protocol::ConnectUnary,
        _ => Protocol::Grpc,
    };
    let raw = messages.concat();
    read(protocol, 200, &raw, &ends);
    read(protocol, 500, &raw, &ends);
    let fields =
        RequestFields { grpc_timeout: &raw, connect_timeout_ms: &raw, ..RequestFields::default() };
    let _ = (protocol.timeout(&fields), protocol.method(&raw));

    let code = CODES[usize::from(status) % CODES.len()];
    let message = text(&raw);
    let (last, http, want) = match protocol {
        Protocol::GrpcWeb => {
            (framed(0x80, format!("grpc-status:{}\r\n", status % 17).as_bytes()), 200, None)
        }
        Protocol::ConnectStream => {
            let error =
                format!(r#"{{"metadata":{{"x":["{message}"]}},"error":{{"code":"{code}"}}}}"#);
            (framed(2, error.as_bytes()), 200, Some(code))
        }
        Protocol::ConnectUnary => {
            let body = format!(r#"{{"message":"{message}","code":"{code}"}}"#);
            // Of a single message the beginning is kept.
            let want = (body.len() <= 1024).then_some(code);
            if let Some(want) = want {
                assert_eq!(read(protocol, 500, body.as_bytes(), &ends).as_deref(), Some(want));
            }
            return;
        }
        Protocol::Grpc => return,
    };
    if last.len() > 4096 {
        return;
    }
    let mut body: Vec<u8> = messages.iter().flat_map(|it| framed(0, it)).collect();
    body.extend(last);
    let found = read(protocol, http, &body, &ends);
    match want {
        Some(code) => assert_eq!(found.as_deref(), Some(code)),
        None => assert!(found.is_some_and(|it| !it.is_empty()), "{}", body.escape_ascii()),
    }
});

fn framed(flags: u8, content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).unwrap().to_be_bytes();
    [&[flags][..], &length, content].concat()
}

/// Text that may stand between quotes, with an escaped quote in it where there was one.
fn text(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let plain = text.chars().filter(|it| !it.is_control()).collect::<String>();
    plain.replace('\\', r"\\").replace('"', r#"\""#)
}

/// The status by a body that comes in chunks.
fn read(protocol: Protocol, status: u16, body: &[u8], ends: &[u8]) -> Option<String> {
    let mut piece = Piece::default();
    let mut rest = body;
    let mut lengths = ends.iter().map(|it| usize::from(*it) * 16 + 1);
    while !rest.is_empty() {
        let length = lengths.next().unwrap_or(rest.len()).min(rest.len());
        let (chunk, behind) = rest.split_at(length);
        rest = behind;
        if let Some(wanted) = piece.wants(Some(protocol), chunk.len()) {
            let bytes = &chunk[wanted.start..][..wanted.length];
            piece.take(wanted, Some(bytes.to_vec()));
        }
    }
    let headers = Headers::default();
    let body = piece.bytes();
    let response = Response { headers, http_status: Some(status), body, is_complete: true };
    protocol.status(response, || Some(body.to_vec())).map(|it| it.name().to_owned())
}
