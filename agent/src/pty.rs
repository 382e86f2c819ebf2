//! Pseudo-terminals.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

use serde::Deserialize;

use crate::failure::{Code, Failure};
use crate::system::check;

/// The size of a terminal, in characters.
#[derive(Clone, Copy, Deserialize)]
pub struct Size {
    pub cols: u16,
    pub rows: u16,
}

impl Size {
    pub fn check(&self) -> Result<(), Failure> {
        if self.cols == 0 || self.rows == 0 {
            return Err(Failure::invalid("A terminal must have columns and rows."));
        }
        Ok(())
    }

    fn for_kernel(self) -> libc::winsize {
        libc::winsize { ws_row: self.rows, ws_col: self.cols, ws_xpixel: 0, ws_ypixel: 0 }
    }
}

/// Both ends of a terminal: ours and the program's.
pub struct Terminal {
    pub master: OwnedFd,
    pub slave: OwnedFd,
}

impl Terminal {
    pub fn open(size: Size) -> Result<Terminal, Failure> {
        Terminal::try_open(size).map_err(|error| match error.raw_os_error() {
            Some(libc::ENOSPC) => Failure::new(Code::Exhausted, "There are no more terminals."),
            _ => Failure::of(&error, "A terminal"),
        })
    }

    fn try_open(size: Size) -> io::Result<Terminal> {
        // SAFETY: plain numbers; what is opened is owned at once.
        unsafe {
            let master = own(libc::posix_openpt(libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC))?;
            let unlocked: libc::c_int = 0;
            check(libc::ioctl(master.as_raw_fd(), libc::TIOCSPTLCK, &unlocked))?;
            // Without its name, which another mount of /dev/pts could make somebody else's.
            let flags = libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC;
            let slave = own(libc::ioctl(master.as_raw_fd(), libc::TIOCGPTPEER, flags))?;
            resize(master.as_raw_fd(), size)?;
            expect_utf8(&slave)?;
            Ok(Terminal { master, slave })
        }
    }
}

/// # Safety
/// The descriptor must be nobody else's.
unsafe fn own(fd: RawFd) -> io::Result<OwnedFd> {
    check(fd)?;
    // SAFETY: it is open, and the caller's word holds.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Lets the backspace key take away whole characters.
fn expect_utf8(slave: &OwnedFd) -> io::Result<()> {
    // SAFETY: the structure is filled before it is read.
    unsafe {
        let mut settings: libc::termios = std::mem::zeroed();
        check(libc::tcgetattr(slave.as_raw_fd(), &mut settings))?;
        settings.c_iflag |= libc::IUTF8;
        check(libc::tcsetattr(slave.as_raw_fd(), libc::TCSANOW, &settings))
    }
}

/// Gives a terminal another size; the kernel tells its foreground group (SIGWINCH).
pub fn resize(master: RawFd, size: Size) -> io::Result<()> {
    // SAFETY: a valid structure.
    check(unsafe { libc::ioctl(master, libc::TIOCSWINSZ, &size.for_kernel()) })
}

/// The process group that the terminal's keys are for.
pub fn foreground(master: RawFd) -> Option<i32> {
    // SAFETY: plain numbers.
    let group = unsafe { libc::tcgetpgrp(master) };
    (group > 1).then_some(group)
}

/// Makes stdin the controlling terminal. For a new session leader between fork and exec.
pub fn take_stdin() -> io::Result<()> {
    // SAFETY: plain numbers.
    check(unsafe { libc::ioctl(0, libc::TIOCSCTTY, 0) })
}
