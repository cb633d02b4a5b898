//! What goes over the wire: made of waiting spans in the moment in which they are sent.

use super::Collector;
use crate::batch::request::Batch;
use crate::encode::{Compression, Protocol, gzip, otlp_json, zipkin};

/// The body of a request.
#[derive(Debug)]
pub(super) struct Wire {
    /// `None` where it is the batch's own bytes.
    pub(super) body: Option<Vec<u8>>,
    pub(super) coding: Coding,
}

/// What became of the wish for compression.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Coding {
    /// There was none.
    Plain,
    Gzip,
    /// The host cannot: it goes as it is.
    Unable,
}

/// Why a batch cannot be sent as it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Unsendable {
    /// It is larger than a request may be.
    TooLarge,
    /// It is not what it should be.
    Unreadable,
}

impl Wire {
    /// What the collector is sent for a batch, which may have `most` bytes before compression.
    pub(super) fn of(
        batch: &Batch,
        collector: &Collector,
        most: usize,
        deflate: &mut dyn FnMut(&[u8]) -> Option<Vec<u8>>,
    ) -> Result<Self, Unsendable> {
        let body = transcoded(batch, collector.protocol)?;
        let plain = body.as_deref().unwrap_or(batch.body());
        if plain.len() > most {
            return Err(Unsendable::TooLarge);
        }
        if collector.compression == Compression::None {
            return Ok(Self { body, coding: Coding::Plain });
        }
        Ok(match deflate(plain).and_then(|it| gzip::wrap(&it, plain)) {
            Some(small) => Self { body: Some(small), coding: Coding::Gzip },
            None => Self { body, coding: Coding::Unable },
        })
    }
}

/// The batch in another encoding; `None` where it is in the right one.
fn transcoded(batch: &Batch, protocol: Protocol) -> Result<Option<Vec<u8>>, Unsendable> {
    let mut out = Vec::new();
    let done = match protocol {
        Protocol::HttpProtobuf => return Ok(None),
        Protocol::HttpJson => otlp_json::transcode(batch.body(), &mut out),
        Protocol::ZipkinJson => zipkin::transcode(batch.body(), &mut out),
    };
    done.map(|()| Some(out)).ok_or(Unsendable::Unreadable)
}
