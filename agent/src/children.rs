//! The kernel's word that children have ended, as something to wait for: read from a descriptor, it interrupts nothing.

use std::io;
use std::os::fd::{FromRawFd, OwnedFd};
use std::ptr;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::system::{self, check};

pub struct Children(OwnedFd);

impl Children {
    /// From here on the ends of children are kept until they are read. For the first thread, before there are others.
    pub fn watch() -> io::Result<Children> {
        // SAFETY: the set is filled before it is used; the descriptor is owned at once.
        unsafe {
            let mut ends: libc::sigset_t = std::mem::zeroed();
            libc::sigemptyset(&mut ends);
            libc::sigaddset(&mut ends, libc::SIGCHLD);
            check(libc::sigprocmask(libc::SIG_BLOCK, &ends, ptr::null_mut()))?;
            let fd = libc::signalfd(-1, &ends, libc::SFD_NONBLOCK | libc::SFD_CLOEXEC);
            check(fd)?;
            Ok(Children(OwnedFd::from_raw_fd(fd)))
        }
    }

    /// Inside the runtime.
    pub fn listen(self) -> io::Result<Listening> {
        // SAFETY: an open descriptor of our own, that is closed only together with its registration.
        Ok(Listening(unsafe { AsyncFd::register_with_interest(self.0, Interest::READABLE) }?))
    }
}

pub struct Listening(AsyncFd<OwnedFd>);

impl Listening {
    /// Waits until children may have ended since the last time.
    pub async fn ended(&self) -> io::Result<()> {
        let mut signal = [0; size_of::<libc::signalfd_siginfo>()];
        self.0.async_io(Interest::READABLE, |fd| system::read(fd, &mut signal)).await.map(drop)
    }
}
