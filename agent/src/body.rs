//! Bodies of requests and answers.

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;

use crate::failure::{Code, Failure};

/// A JSON body is held in memory; a longer one is refused.
const MOST_JSON: usize = 1 << 20;

/// The body of an answer.
pub enum Reply {
    Whole(Option<Bytes>),
    /// Comes piece by piece; an error resets the stream.
    Pieces(mpsc::Receiver<io::Result<Bytes>>),
    /// Comes as it is asked for, and is dropped when the host is not interested any more.
    Source(Box<dyn Source>),
}

/// What makes the pieces of an answer when the host has room for them.
pub trait Source {
    /// The next piece; `None` at the end, an error resets the stream.
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>>;
}

impl Body for Reply {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match self.get_mut() {
            Reply::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Reply::Pieces(pieces) => pieces.poll_recv(cx).map(|piece| piece.map(|piece| piece.map(Frame::data))),
            Reply::Source(source) => source.poll_piece(cx).map(|piece| piece.map(|piece| piece.map(Frame::data))),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Reply::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Reply::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Reply::Pieces(_) | Reply::Source(_) => SizeHint::default(),
        }
    }
}

/// Reads a JSON body.
pub async fn json<T: DeserializeOwned>(body: Incoming) -> Result<T, Failure> {
    let whole = Limited::new(body, MOST_JSON)
        .collect()
        .await
        .map_err(|error| Failure::new(Code::TooLarge, format!("The request: {error}.")))?;
    serde_json::from_slice(&whole.to_bytes()).map_err(|error| Failure::invalid(format!("The request: {error}.")))
}

/// The next piece of a request's body; `None` at its end, an error when the connection or the stream is lost.
pub async fn next_piece(body: &mut Incoming) -> Option<io::Result<Bytes>> {
    loop {
        match body.frame().await {
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data() {
                    return Some(Ok(data));
                }
            }
            Some(Err(error)) => return Some(Err(io::Error::other(error))),
            // A stream that was cancelled ends without an error, but also without an end.
            None => return (!body.is_end_stream()).then(|| Err(io::ErrorKind::ConnectionReset.into())),
        }
    }
}

/// For handlers that cannot fail outside of their answer.
pub type Answer = Result<hyper::Response<Reply>, Infallible>;
