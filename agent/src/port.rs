//! A virtio-serial port as an async byte stream.
//!
//! Tokio's own registration would not do: while the host is not connected such a port says "hung up" without end, and
//! tokio keeps that for good. So the port sits in an epoll set of our own, edge-triggered, and tokio watches the set.

use std::fs::OpenOptions;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};

/// An open port. It is opened once and kept: the kernel allows one opening at a time.
pub struct Port {
    file: std::fs::File,
    events: AsyncFd<OwnedFd>,
}

impl Port {
    /// Opens the device file of a port.
    pub fn open(path: &Path) -> io::Result<Port> {
        let file = OpenOptions::new().read(true).write(true).custom_flags(libc::O_NONBLOCK).open(path)?;
        // SAFETY: plain system calls on descriptors that are owned here.
        let set = unsafe {
            let raw = libc::epoll_create1(libc::EPOLL_CLOEXEC);
            if raw < 0 {
                return Err(io::Error::last_os_error());
            }
            let set = OwnedFd::from_raw_fd(raw);
            let wanted = (libc::EPOLLIN | libc::EPOLLOUT | libc::EPOLLET) as u32;
            let mut event = libc::epoll_event { events: wanted, u64: 0 };
            if libc::epoll_ctl(raw, libc::EPOLL_CTL_ADD, file.as_raw_fd(), &mut event) < 0 {
                return Err(io::Error::last_os_error());
            }
            set
        };
        // SAFETY: the set is an open descriptor, and is closed only together with its registration.
        let events = unsafe { AsyncFd::register_with_interest(set, Interest::READABLE) }?;
        Ok(Port { file, events })
    }

    /// Waits until something about the port has changed since the last time.
    fn poll_changed(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut guard = ready!(self.events.poll_read_ready(cx))?;
        let mut event = libc::epoll_event { events: 0, u64: 0 };
        // SAFETY: takes the pending event out of the set; the buffer has room for one.
        unsafe { libc::epoll_wait(self.events.as_raw_fd(), &mut event, 1, 0) };
        guard.clear_ready();
        Poll::Ready(Ok(()))
    }

    fn poll_read(&self, cx: &mut Context<'_>, into: &mut [u8], wait_for_host: bool) -> Poll<io::Result<usize>> {
        loop {
            // SAFETY: the buffer is valid for its length.
            let n = unsafe { libc::read(self.file.as_raw_fd(), into.as_mut_ptr().cast(), into.len()) };
            match n {
                1.. => return Poll::Ready(Ok(n as usize)),
                0 if !wait_for_host => return Poll::Ready(Ok(0)),
                0 => {}
                _ => match io::Error::last_os_error() {
                    error if error.kind() == io::ErrorKind::WouldBlock => {}
                    error if error.kind() == io::ErrorKind::Interrupted => continue,
                    error => return Poll::Ready(Err(error)),
                },
            }
            ready!(self.poll_changed(cx))?;
        }
    }

    fn poll_write(&self, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        loop {
            // SAFETY: the buffer is valid for its length.
            let n = unsafe { libc::write(self.file.as_raw_fd(), data.as_ptr().cast(), data.len()) };
            if n >= 0 {
                return Poll::Ready(Ok(n as usize));
            }
            match io::Error::last_os_error() {
                error if error.kind() == io::ErrorKind::WouldBlock => {}
                error if error.kind() == io::ErrorKind::Interrupted => continue,
                error => return Poll::Ready(Err(error)),
            }
            ready!(self.poll_changed(cx))?;
        }
    }
}

/// A port in use. Of several uses of one port, only one may be polled at a time.
pub struct PortStream {
    port: Rc<Port>,
    /// Whether a host that is not connected is waited for, rather than the end of the stream.
    pub wait_for_host: bool,
}

impl PortStream {
    pub fn new(port: Rc<Port>, wait_for_host: bool) -> Self {
        PortStream { port, wait_for_host }
    }
}

impl AsyncRead for PortStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let n = ready!(self.port.poll_read(cx, into.initialize_unfilled(), self.wait_for_host))?;
        into.advance(n);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for PortStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        self.port.poll_write(cx, data)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
