//! The kernel's notifications, and the bytes that they come in.

use std::ffi::{CString, OsStr, OsString};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use crate::system::{self, check};

/// What is told of a directory that is watched.
const WANTED: u32 = libc::IN_CREATE
    | libc::IN_MODIFY
    | libc::IN_ATTRIB
    | libc::IN_DELETE
    | libc::IN_MOVED_FROM
    | libc::IN_MOVED_TO
    | libc::IN_DELETE_SELF
    | libc::IN_MOVE_SELF
    | libc::IN_ONLYDIR
    | libc::IN_EXCL_UNLINK;
const HEADER: usize = size_of::<libc::inotify_event>();

/// One notification.
#[derive(Debug, PartialEq, Eq)]
pub struct Event {
    pub watch: i32,
    pub mask: u32,
    /// The same in both events of a move.
    pub cookie: u32,
    /// Of what, in the watched directory; empty: of the directory itself.
    pub name: OsString,
}

impl Event {
    pub fn is(&self, bits: u32) -> bool {
        self.mask & bits != 0
    }
}

pub fn open() -> io::Result<OwnedFd> {
    // SAFETY: plain numbers; what is opened is owned at once.
    unsafe {
        let fd = libc::inotify_init1(libc::IN_NONBLOCK | libc::IN_CLOEXEC);
        check(fd)?;
        Ok(OwnedFd::from_raw_fd(fd))
    }
}

/// Watches a directory; a second time it is the same watch.
pub fn add(inotify: &OwnedFd, path: &Path, follow: bool) -> io::Result<i32> {
    let text = CString::new(path.as_os_str().as_bytes())?;
    let mask = if follow { WANTED } else { WANTED | libc::IN_DONT_FOLLOW };
    // SAFETY: a string that ends in NUL.
    let watch = unsafe { libc::inotify_add_watch(inotify.as_raw_fd(), text.as_ptr(), mask) };
    check(watch).map(|()| watch)
}

/// Watches a directory no more; one that is gone is fine.
pub fn remove(inotify: &OwnedFd, watch: i32) {
    // SAFETY: plain numbers.
    unsafe { libc::inotify_rm_watch(inotify.as_raw_fd(), watch) };
}

/// What has come; nothing where there is nothing.
pub fn read(inotify: &OwnedFd, into: &mut [u8]) -> io::Result<Vec<Event>> {
    Ok(parse(match system::read(inotify, into) {
        Ok(n) => &into[..n],
        Err(error) if error.kind() == io::ErrorKind::Interrupted => &[],
        Err(error) => return Err(error),
    }))
}

fn parse(mut bytes: &[u8]) -> Vec<Event> {
    let mut events = vec![];
    while let Some((header, rest)) = bytes.split_at_checked(HEADER) {
        let number = |at: usize| u32::from_ne_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
        let Some((name, next)) = rest.split_at_checked(number(12) as usize) else { break };
        let name = &name[..name.iter().position(|byte| *byte == 0).unwrap_or(name.len())];
        let name = OsStr::from_bytes(name).as_bytes().to_vec();
        events.push(Event {
            watch: number(0) as i32,
            mask: number(4),
            cookie: number(8),
            name: OsString::from_vec(name),
        });
        bytes = next;
    }
    events
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_cut_from_their_bytes() {
        let event = |watch: i32, name: &[u8]| {
            [&watch.to_ne_bytes(), &7u32.to_ne_bytes(), &9u32.to_ne_bytes(), &(name.len() as u32).to_ne_bytes(), name]
                .concat()
        };
        let bytes = [event(1, b"name\0\0\0\0"), event(-1, b""), vec![1, 2, 3]].concat();
        let expected =
            [(1, "name"), (-1, "")].map(|(watch, name)| Event { watch, mask: 7, cookie: 9, name: name.into() });
        assert_eq!(parse(&bytes), expected);
    }
}
