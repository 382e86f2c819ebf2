//! Byte streams to ports of the guest's own loopback addresses, and never to any other.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::Incoming;
use tokio::io::{AsyncRead, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{oneshot, watch};
use tokio::task::spawn_local;
use tokio::time::timeout;

use crate::body::{Source, next_piece};
use crate::failure::{Code, Failure};
use crate::pipe::with_scratch;

/// A listener whose queue is full doesn't answer; it isn't waited for any longer.
const PATIENCE: Duration = Duration::from_secs(3);

/// Connects; the request's body goes to the port, and what comes from there is the answer's. `connection` is closed with
/// the connection that the request came by.
pub async fn open(port: &str, body: Incoming, connection: watch::Receiver<()>) -> Result<Tunnel, Failure> {
    let port = port.parse().ok().filter(|port| *port != 0);
    let stream = connect(port.ok_or_else(|| Failure::invalid("A port is a number from 1 to 65535."))?).await?;
    // Small pieces are interactive.
    let _ = stream.set_nodelay(true);
    let (reader, writer) = stream.into_split();
    let (left, gone) = oneshot::channel();
    spawn_local(upload(body, writer, Gone { answer: gone, connection }));
    Ok(Tunnel { reader, left: Some(left) })
}

async fn connect(port: u16) -> Result<TcpStream, Failure> {
    let mut last = None;
    for address in [SocketAddr::from((Ipv4Addr::LOCALHOST, port)), SocketAddr::from((Ipv6Addr::LOCALHOST, port))] {
        match timeout(PATIENCE, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => last = last.or(Some(error)),
            Err(_) => return Err(Failure::new(Code::Refused, format!("Port {port} doesn't answer."))),
        }
    }
    Err(match last {
        Some(error) if error.raw_os_error() != Some(libc::ECONNREFUSED) => {
            let failure = Failure::of(&error, &format!("Port {port}"));
            if failure.code == Code::Exhausted { failure } else { Failure::new(Code::Refused, failure.message) }
        }
        _ => Failure::new(Code::Refused, format!("Nothing listens on port {port}.")),
    })
}

/// How the host's loss of interest shows while the port doesn't take what it is sent.
struct Gone {
    answer: oneshot::Receiver<()>,
    connection: watch::Receiver<()>,
}

impl Gone {
    async fn wait(mut self) {
        // An answer that has ended as it should says nothing: the other half may go on.
        let answer = async {
            if (&mut self.answer).await.is_err() {
                std::future::pending().await
            }
        };
        tokio::select! {
            _ = answer => {}
            _ = self.connection.changed() => {}
        }
    }
}

/// Sends the request's body. Its end is passed on as an end, its loss as a reset.
async fn upload(body: Incoming, mut writer: OwnedWriteHalf, gone: Gone) {
    let whole = tokio::select! {
        sent = send(body, &mut writer) => sent.is_ok(),
        _ = gone.wait() => false,
    };
    if whole {
        let _ = writer.shutdown().await;
    } else {
        let _ = writer.as_ref().set_zero_linger();
        // Dropped, it would say that all has been sent.
        writer.forget();
    }
}

async fn send(mut body: Incoming, writer: &mut OwnedWriteHalf) -> io::Result<()> {
    while let Some(piece) = next_piece(&mut body).await {
        writer.write_all(&piece?).await?;
    }
    Ok(())
}

/// What comes from the port, as the body of an answer.
pub struct Tunnel {
    reader: OwnedReadHalf,
    /// Told when the answer is dropped before its end.
    left: Option<oneshot::Sender<()>>,
}

impl Source for Tunnel {
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        let read = with_scratch(|scratch| {
            let mut into = ReadBuf::new(scratch);
            ready!(Pin::new(&mut self.reader).poll_read(cx, &mut into))?;
            Poll::Ready(Ok(Bytes::copy_from_slice(into.filled())))
        });
        match ready!(read) {
            Ok(piece) if piece.is_empty() => {
                self.left = None;
                Poll::Ready(None)
            }
            piece => Poll::Ready(Some(piece)),
        }
    }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        if let Some(left) = self.left.take() {
            let _ = left.send(());
        }
    }
}
