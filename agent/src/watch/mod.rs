//! What changes below a directory, as it changes.

mod inotify;
mod places;

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::mpsc;
use tokio::task::spawn_local;
use tokio::time::timeout;

use self::inotify::Event;
use self::places::Places;
use crate::failure::{Code, Failure};
use crate::files::{Pieces, about};
use crate::pool::blocking;

/// Pieces of lines that wait for the host. Beyond them events wait in the kernel's queue, and that has an end.
const WAITING_PIECES: usize = 4;
/// Lines that are sent at once.
const MOST_LINES: usize = 256;
const BUFFER: usize = 16 * 1024;
/// How long the second half of a move is waited for.
const HALF: Duration = Duration::from_millis(20);

/// Watches a directory. The answer begins when all of it is watched.
pub async fn watch(path: PathBuf, recursive: bool) -> Result<Pieces, Failure> {
    let inotify = Arc::new(inotify::open().map_err(|error| Failure::of(&error, "A watch"))?);
    let (top, places) = (path.clone(), Arc::new(Mutex::new(Places::new(path.clone()))));
    let mut watch = Watch { inotify, top: path, recursive, places, moving: None };
    watch.add(top.clone()).await.map_err(|error| match error.raw_os_error() {
        Some(libc::ENOSPC) => Failure::new(Code::Exhausted, "There are no more watches."),
        _ => about(&top)(error),
    })?;
    let own: io::Result<_> = watch.inotify.try_clone().and_then(|fd| {
        // SAFETY: an open descriptor of our own, that is closed only together with its registration.
        unsafe { Ok(AsyncFd::register(fd)?) }
    });
    let events = own.map_err(|error| Failure::of(&error, "A watch"))?;
    let (lines, pieces) = mpsc::channel(WAITING_PIECES);
    spawn_local(async move {
        tokio::select! {
            _ = lines.closed() => {}
            result = watch.run(&events, &lines) => if let Err(error) = result { let _ = lines.send(Err(error)).await; }
        }
    });
    Ok(pieces)
}

struct Watch {
    inotify: Arc<OwnedFd>,
    top: PathBuf,
    recursive: bool,
    /// Shared with the threads that look through directories.
    places: Arc<Mutex<Places>>,
    /// The first half of a move: from where, its cookie, and whether it is a directory.
    moving: Option<(PathBuf, u32, bool)>,
}

impl Watch {
    fn places(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn add(&self, path: PathBuf) -> io::Result<Vec<PathBuf>> {
        let (inotify, places, recursive) = (self.inotify.clone(), self.places.clone(), self.recursive);
        let added =
            blocking(move || Ok(places.lock().unwrap_or_else(PoisonError::into_inner).add(&inotify, &path, recursive)));
        added.await.unwrap_or_else(|failure| Err(io::Error::other(failure.message)))
    }

    /// Until the directory is gone.
    async fn run(&mut self, events: &AsyncFd<OwnedFd>, lines: &mpsc::Sender<io::Result<Bytes>>) -> io::Result<()> {
        let mut buffer = vec![0; BUFFER];
        loop {
            let mut told = Told::default();
            self.admit_gaps(&mut told);
            told.send(lines).await?;
            let read = events.async_io(Interest::READABLE, |fd| inotify::read(fd, &mut buffer));
            let pending = match timeout(if self.moving.is_some() { HALF } else { Duration::MAX }, read).await {
                Ok(read) => read?,
                Err(_) => {
                    self.give_up_move(&mut told);
                    vec![]
                }
            };
            for event in pending {
                let is_over = self.take(event, &mut told).await;
                if is_over || told.lines.len() >= MOST_LINES {
                    told.send(lines).await?;
                }
                if is_over {
                    return Ok(());
                }
            }
            told.send(lines).await?;
        }
    }

    fn admit_gaps(&self, told: &mut Told) {
        if std::mem::take(&mut self.places().is_incomplete) {
            told.push(json!({ "type": "overflow" }));
        }
    }

    /// `true` when there is nothing more to watch.
    async fn take(&mut self, event: Event, told: &mut Told) -> bool {
        if event.is(libc::IN_Q_OVERFLOW) {
            told.push(json!({ "type": "overflow" }));
            // Directories that were made meanwhile are unknown.
            let _ = self.add(self.top.clone()).await;
            return false;
        }
        let is_second_half =
            event.is(libc::IN_MOVED_TO) && self.moving.as_ref().is_some_and(|(_, cookie, _)| *cookie == event.cookie);
        if !is_second_half {
            self.give_up_move(told);
        }
        let Some(directory) = self.places().path(event.watch).map(Path::to_owned) else { return false };
        if event.is(libc::IN_IGNORED) {
            self.places().forget(event.watch);
            return false;
        }
        if event.name.is_empty() {
            // What is below the top shows in its parent too.
            let is_over =
                directory == self.top && event.is(libc::IN_DELETE_SELF | libc::IN_MOVE_SELF | libc::IN_UNMOUNT);
            if is_over {
                told.path("removed", &self.top);
            }
            return is_over;
        }
        let path = directory.join(&event.name);
        let is_dir = event.is(libc::IN_ISDIR);
        if event.is(libc::IN_CREATE) {
            self.created(path, is_dir, told).await;
        } else if event.is(libc::IN_MOVED_FROM) {
            self.moving = Some((path, event.cookie, is_dir));
        } else if event.is(libc::IN_MOVED_TO) {
            self.arrived(path, is_dir, told).await;
        } else if event.is(libc::IN_DELETE) {
            told.path("removed", &path);
        } else {
            told.path("modified", &path);
        }
        false
    }

    async fn created(&self, path: PathBuf, is_dir: bool, told: &mut Told) {
        told.path("created", &path);
        if is_dir && self.recursive {
            // What was made in it before it was watched.
            for found in self.add(path).await.unwrap_or_default() {
                told.path("created", &found);
            }
        }
    }

    async fn arrived(&mut self, path: PathBuf, is_dir: bool, told: &mut Told) {
        match self.moving.take() {
            Some((from, ..)) => {
                self.places().relocate(&from, &path);
                told.push(json!({ "type": "moved", "path": path.to_string_lossy(), "from": from.to_string_lossy() }));
            }
            None => self.created(path, is_dir, told).await,
        }
    }

    /// A move whose second half doesn't come led out of what is watched.
    fn give_up_move(&mut self, told: &mut Told) {
        if let Some((from, _, is_dir)) = self.moving.take() {
            if is_dir {
                self.places().leave(&self.inotify, &from);
            }
            told.path("removed", &from);
        }
    }
}

/// What is to be said.
#[derive(Default)]
struct Told {
    lines: Vec<Value>,
}

impl Told {
    /// The same is not said twice in a row.
    fn push(&mut self, line: Value) {
        if self.lines.last() != Some(&line) {
            self.lines.push(line);
        }
    }

    fn path(&mut self, kind: &str, path: &Path) {
        self.push(json!({ "type": kind, "path": path.to_string_lossy() }));
    }

    /// Waits while the host doesn't read.
    async fn send(&mut self, lines: &mpsc::Sender<io::Result<Bytes>>) -> io::Result<()> {
        if self.lines.is_empty() {
            return Ok(());
        }
        let text: String = self.lines.drain(..).map(|line| format!("{line}\n")).collect();
        lines.send(Ok(text.into())).await.map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}
