//! The output log of a session: written by one program, read by any number of readers, each at its own place.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;

use crate::body::Source;
use crate::frames;
use crate::ring::{RUN_COST, Ring};

/// What all logs together may hold before each keeps less.
const MOST_HELD: usize = 32 << 20;
/// What a log keeps even then.
const LEAST_LIMIT: usize = 16 * 1024;
/// The longest payload of a frame.
const PIECE: usize = 64 * 1024;

/// What all logs hold together.
pub type Held = Rc<Cell<usize>>;

pub struct Log {
    limit: usize,
    held: Held,
    inner: RefCell<Inner>,
}

#[derive(Default)]
struct Inner {
    ring: Ring,
    readers: BTreeMap<u64, Place>,
    next_reader: u64,
    /// The payload of the last frame, once there is nothing more to come.
    exited: Option<Bytes>,
    /// Who waits for room.
    writer: Option<Waker>,
}

struct Place {
    offset: u64,
    waker: Option<Waker>,
}

/// Where a new reader begins.
pub enum From {
    Oldest,
    Offset(u64),
    /// So many bytes before the end.
    Tail(u64),
}

impl Log {
    pub fn new(limit: usize, held: Held) -> Log {
        Log { limit, held, inner: RefCell::default() }
    }

    fn most(&self) -> usize {
        if self.held.get() > MOST_HELD { self.limit.min(LEAST_LIMIT) } else { self.limit }
    }

    /// How many bytes may be appended. Readers get no more than half of the log ahead of them: what was on its way to
    /// one whose connection broke stays in the other half.
    pub fn room(&self) -> usize {
        let inner = self.inner.borrow();
        let most = self.most();
        match inner.readers.values().map(|place| place.offset).min() {
            Some(slowest) => (most / 2).saturating_sub(inner.ring.weight_from(slowest) + RUN_COST),
            None => most.saturating_sub(RUN_COST),
        }
    }

    /// Waits for room. The answer holds until the next wait.
    pub async fn wait_for_room(&self) {
        std::future::poll_fn(|cx| {
            if self.room() > 0 {
                return Poll::Ready(());
            }
            self.inner.borrow_mut().writer = Some(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }

    /// Appends; never more than there is room for.
    pub fn push(&self, kind: u8, data: &[u8]) {
        let most = self.most();
        let inner = &mut *self.inner.borrow_mut();
        let before = inner.ring.occupied();
        inner.ring.push(kind, data, most);
        self.account(before, inner);
        inner.wake_readers();
    }

    /// Says that no more comes, and what the last frame holds.
    pub fn finish(&self, exited: Bytes) {
        let inner = &mut *self.inner.borrow_mut();
        let before = inner.ring.occupied();
        inner.ring.shrink();
        self.account(before, inner);
        inner.exited = Some(exited);
        inner.wake_readers();
    }

    fn account(&self, before: usize, inner: &Inner) {
        self.held.set(self.held.get() + inner.ring.occupied() - before);
    }

    /// What it occupies in memory.
    pub fn occupied(&self) -> usize {
        self.inner.borrow().ring.occupied()
    }

    /// The last frame's payload, once there is nothing more to come.
    pub fn exited(&self) -> Option<Bytes> {
        self.inner.borrow().exited.clone()
    }

    /// Adds a reader. While it is there, the program waits for it and loses nothing of what it has not read.
    pub fn attach(self: &Rc<Self>, from: From) -> Reader {
        let inner = &mut *self.inner.borrow_mut();
        let (start, end) = (inner.ring.start(), inner.ring.end());
        let wanted = match from {
            From::Oldest => 0,
            From::Offset(offset) => offset.min(end),
            From::Tail(length) => end.saturating_sub(length).max(start),
        };
        let offset = wanted.max(start);
        let key = inner.next_reader;
        inner.next_reader += 1;
        inner.readers.insert(key, Place { offset, waker: None });
        Reader { log: self.clone(), key, offset, dropped: wanted < start, head: None, on_drop: None, is_done: false }
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.held.set(self.held.get() - self.inner.get_mut().ring.occupied());
    }
}

impl Inner {
    fn wake_readers(&mut self) {
        self.readers.values_mut().filter_map(|place| place.waker.take()).for_each(Waker::wake);
    }

    fn wake_writer(&mut self) {
        if let Some(writer) = self.writer.take() {
            writer.wake();
        }
    }
}

/// A reader, as the body of an answer: a first frame, the output as it comes, and how the program ended.
pub struct Reader {
    log: Rc<Log>,
    key: u64,
    /// Where it begins.
    pub offset: u64,
    /// Whether bytes that it asked for are gone.
    pub dropped: bool,
    head: Option<Bytes>,
    on_drop: Option<Box<dyn FnOnce()>>,
    is_done: bool,
}

impl Reader {
    /// Sets the first frame.
    pub fn with_head(mut self, head: Bytes) -> Reader {
        self.head = Some(head);
        self
    }

    /// Sets what is done when the reader goes away, for whatever reason.
    pub fn on_drop(mut self, act: impl FnOnce() + 'static) -> Reader {
        self.on_drop = Some(Box::new(act));
        self
    }
}

impl Source for Reader {
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        if let Some(head) = self.head.take() {
            return Poll::Ready(Some(Ok(head)));
        }
        let inner = &mut *self.log.inner.borrow_mut();
        let Some(place) = inner.readers.get_mut(&self.key).filter(|_| !self.is_done) else { return Poll::Ready(None) };
        if let Some((kind, piece)) = inner.ring.piece(place.offset, PIECE) {
            place.offset += piece.len() as u64;
            inner.wake_writer();
            return Poll::Ready(Some(Ok(frames::encode(kind, &piece))));
        }
        if let Some(exited) = &inner.exited {
            self.is_done = true;
            return Poll::Ready(Some(Ok(frames::encode(frames::EXITED, exited))));
        }
        place.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let inner = &mut *self.log.inner.borrow_mut();
        inner.readers.remove(&self.key);
        inner.wake_writer();
        if let Some(act) = self.on_drop.take() {
            act();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(reader: &mut Reader) -> Option<Vec<u8>> {
        match reader.poll_piece(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(piece) => Some(piece.map_or(vec![], |piece| piece.unwrap().to_vec())),
            Poll::Pending => None,
        }
    }

    #[test]
    fn a_reader_that_is_attached_holds_the_program_up_and_one_that_leaves_does_not() {
        let log = Rc::new(Log::new(1000, Held::default()));
        let mut reader = log.attach(From::Oldest);
        log.push(frames::STDOUT, &vec![b'x'; log.room()]);
        assert_eq!(log.room(), 0);
        assert!(next(&mut reader).unwrap().len() > 400);
        assert!(log.room() > 400);
        log.push(frames::STDOUT, &vec![b'y'; log.room()]);
        drop(reader);
        assert!(log.room() > 900);
    }

    #[test]
    fn a_reader_is_told_where_it_begins() {
        let log = Rc::new(Log::new(100 + 2 * RUN_COST, Held::default()));
        for _ in 0..3 {
            log.push(frames::STDOUT, &[b'x'; 50]);
        }
        for (from, offset, dropped) in [
            (From::Oldest, 50, true),
            (From::Offset(60), 60, false),
            (From::Offset(49), 50, true),
            (From::Offset(999), 150, false),
            (From::Tail(10), 140, false),
            (From::Tail(999), 50, false),
        ] {
            let reader = log.attach(from);
            assert_eq!((reader.offset, reader.dropped), (offset, dropped));
        }
    }

    #[test]
    fn readers_see_the_end_once_and_the_memory_is_given_back() {
        let held = Held::default();
        let log = Rc::new(Log::new(1000, held.clone()));
        let mut reader = log.attach(From::Oldest);
        assert_eq!(next(&mut reader), None);
        log.push(frames::STDERR, b"late");
        log.finish(Bytes::from_static(b"{}"));
        assert_eq!(next(&mut reader).unwrap()[0], frames::STDERR);
        assert_eq!(next(&mut reader).unwrap()[0], frames::EXITED);
        assert_eq!(next(&mut reader).unwrap(), b"");
        assert!(held.get() > 0);
        drop((reader, log));
        assert_eq!(held.get(), 0);
    }

    #[test]
    fn all_logs_together_are_bounded() {
        let held = Held::default();
        held.set(MOST_HELD + 1);
        let log = Rc::new(Log::new(1 << 20, held));
        assert!(log.room() < LEAST_LIMIT);
    }
}
