//! Packed bodies: gzip in requests, and in long replies to clients that ask for it.

use std::io;

use async_compression::tokio::bufread::GzipDecoder;
use axum::{body::Body, extract::Request};
use contract::ProblemCode;
use futures_util::TryStreamExt;
use http::{
    HeaderValue,
    header::{CONTENT_ENCODING, CONTENT_LENGTH},
};
use http_server::{Fallible, ProblemReply};
use tokio_util::io::{ReaderStream, StreamReader};
use tower_http::{
    CompressionLevel,
    compression::{
        CompressionLayer, Predicate,
        predicate::{NotForContentType, SizeAbove},
    },
};

/// The most bytes that are unpacked at once: a few bytes of gzip may become a thousand times as many.
const PIECE: usize = 64 * 1024;

/// The shortest reply that is packed, in bytes. A shorter one gains little.
const MIN_PACKED: u16 = 8 * 1024;

/// Unpacks the body of `request` as it is read, if it is packed.
///
/// # Errors
/// 415 if it is packed in another way than by gzip. A body that is not gzip fails when it is read.
pub(crate) fn unpacked(mut request: Request) -> Fallible<Request> {
    let headers = request.headers_mut();
    let mut encodings = headers.get_all(CONTENT_ENCODING).iter();
    let encoding = encodings.next();
    let is = |word: &str| {
        let given = encoding.map_or(&b""[..], HeaderValue::as_bytes);
        given.eq_ignore_ascii_case(word.as_bytes())
    };
    if encodings.next().is_some() || !(is("") || is("identity") || is("gzip") || is("x-gzip")) {
        let detail = "Content-Encoding may be gzip; request bodies packed otherwise are not taken";
        return Err(ProblemReply::new(ProblemCode::UnsupportedEncoding, detail));
    }
    if is("") || is("identity") {
        return Ok(request);
    }
    headers.remove(CONTENT_ENCODING);
    headers.remove(CONTENT_LENGTH);
    Ok(request.map(|body| {
        let packed = StreamReader::new(body.into_data_stream().map_err(io::Error::other));
        let mut decoder = GzipDecoder::new(packed);
        decoder.multiple_members(true);
        Body::from_stream(ReaderStream::with_capacity(decoder, PIECE))
    }))
}

/// Packs long replies for clients that ask for it. Pictures are packed already, and events and the
/// lines of NDJSON have to leave as they come.
pub(crate) fn packing() -> CompressionLayer<impl Predicate> {
    let worthwhile = SizeAbove::new(MIN_PACKED)
        .and(NotForContentType::IMAGES)
        .and(NotForContentType::const_new("application/x-ndjson"))
        .and(NotForContentType::SSE);
    // The fastest level makes verdicts ten times smaller already.
    CompressionLayer::new()
        .gzip(true)
        .quality(CompressionLevel::Fastest)
        .compress_when(worthwhile)
}
