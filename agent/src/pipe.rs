//! Our end of a pipe or a pseudo-terminal.

use std::cell::RefCell;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::task::{Context, Poll, ready};

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::system;
use crate::wipe::wipe;

/// The most that is read at once.
const PIECE: usize = 64 * 1024;

thread_local! {
    /// What everything is read into: nothing is kept for one that is silent.
    static SCRATCH: RefCell<Vec<u8>> = RefCell::new(vec![0; PIECE]);
}

/// Lends the memory that is read into, for the time of one read.
pub fn with_scratch<T>(read: impl FnOnce(&mut [u8]) -> T) -> T {
    SCRATCH.with_borrow_mut(|scratch| read(scratch))
}

/// Forgets what was read last.
pub fn wipe_scratch() {
    with_scratch(wipe);
}

pub struct Pipe {
    fd: AsyncFd<OwnedFd>,
}

impl Pipe {
    pub fn new(fd: OwnedFd) -> io::Result<Pipe> {
        system::set_nonblocking(&fd)?;
        // SAFETY: an open descriptor of our own, that is closed only together with its registration.
        Ok(Pipe { fd: unsafe { AsyncFd::register(fd) }? })
    }

    pub fn as_raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }

    /// Whether there may be something to read.
    pub fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<()> {
        // What is wrong with it shows when it is read.
        let _ = ready!(self.fd.poll_read_ready(cx));
        Poll::Ready(())
    }

    /// Reads at most `most` bytes and hands them to `take`. `false` is the end.
    pub fn read(&self, most: usize, take: impl FnOnce(&[u8])) -> bool {
        with_scratch(|scratch| {
            let into = &mut scratch[..most.min(PIECE)];
            match self.fd.try_io(Interest::READABLE, |fd| system::read(fd, into)) {
                Ok(0) => false,
                Ok(n) => {
                    take(&into[..n]);
                    true
                }
                // A terminal that nobody has open any more answers EIO.
                Err(error) => matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted),
            }
        })
    }

    /// How many bytes stand in it.
    pub fn waiting(&self) -> usize {
        system::bytes_waiting(self.fd.get_ref())
    }

    /// Writes all of it, as fast as the other end takes it.
    pub async fn write_all(&self, mut data: &[u8]) -> io::Result<()> {
        while !data.is_empty() {
            let written = self.fd.async_io(Interest::WRITABLE, |fd| system::write(fd, data)).await?;
            data = &data[written..];
        }
        Ok(())
    }
}
