//! A program from its start to the end of its output.

use std::cell::{Cell, RefCell};
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::rc::Rc;
use std::task::Poll;
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::{Map, Value, json};
use tokio::sync::{Mutex, Notify};
use tokio::task::{spawn_local, yield_now};
use tokio::time::{sleep, timeout};

use crate::failure::{Code, Failure};
use crate::log::Log;
use crate::pipe::Pipe;
use crate::pty::{self, Size};
use crate::system;

/// How long silence of an ended program's descendants is waited for.
const LINGER: Duration = Duration::from_millis(250);
/// How long the output of descendants that aren't silent is kept.
const MOST_LINGER: Duration = Duration::from_secs(2);

pub struct Session {
    pub id: String,
    pub pid: i32,
    pub tag: Option<String>,
    /// Whether it is the agent's own: it is not listed, and not remembered.
    pub is_own: bool,
    pub cmd: String,
    pub args: RefCell<Vec<String>>,
    pub log: Rc<Log>,
    /// Its stdin, where it has one that is open. The lock keeps those who write apart.
    pub stdin: Mutex<Option<Rc<Pipe>>>,
    /// Its terminal, where it has one.
    pub terminal: Option<Rc<Pipe>>,
    /// The wait status, once it has ended.
    pub status: Cell<Option<i32>>,
    pub ended: Notify,
}

/// A pipe that a program writes to, and the kind of its frames.
pub type Output = (Rc<Pipe>, u8);

impl Session {
    /// What is said of it when it is named: id, pid and tag.
    pub fn names(&self) -> Map<String, Value> {
        let mut names = Map::from_iter([("id".into(), self.id.as_str().into()), ("pid".into(), self.pid.into())]);
        if let Some(tag) = &self.tag {
            names.insert("tag".into(), tag.as_str().into());
        }
        names
    }

    pub fn is_named(&self, selector: &str) -> bool {
        self.id == selector || self.tag.as_deref() == Some(selector) || self.pid.to_string() == selector
    }

    /// Takes note of its end. From here on its pid may be another's.
    pub fn end(&self, status: i32) {
        self.status.set(Some(status));
        self.ended.notify_waiters();
    }

    /// Waits for its end.
    pub async fn wait(&self) -> i32 {
        loop {
            if let Some(status) = self.status.get() {
                return status;
            }
            self.ended.notified().await;
        }
    }

    /// Sends a signal to its group, unless it has ended. On a terminal that means the foreground group too, and the end
    /// is a hangup as well: shells don't mind SIGTERM.
    pub fn signal(&self, signal: i32) {
        if self.status.get().is_some() {
            return;
        }
        let foreground = self.terminal.as_ref().and_then(|terminal| pty::foreground(terminal.as_raw_fd()));
        let is_hangup = self.terminal.is_some() && matches!(signal, libc::SIGKILL | libc::SIGTERM);
        for group in foreground.into_iter().filter(|group| *group != self.pid).chain([self.pid]) {
            if is_hangup {
                system::signal_group(group, libc::SIGHUP);
            }
            system::signal_group(group, signal);
        }
    }

    /// Gives its terminal another size.
    pub fn resize(&self, size: Size) -> Result<(), Failure> {
        size.check()?;
        let terminal = self.terminal.as_ref().ok_or_else(|| Failure::invalid("The program has no terminal."))?;
        pty::resize(terminal.as_raw_fd(), size).map_err(|error| Failure::of(&error, "The terminal"))
    }

    /// Writes to its stdin, as fast as it reads.
    pub async fn write(&self, data: &[u8]) -> Result<(), Failure> {
        let closed = || Failure::new(Code::Closed, "The program's stdin is closed.");
        let mut stdin = self.stdin.lock().await;
        let pipe = stdin.as_ref().ok_or_else(closed)?;
        let written = tokio::select! {
            written = pipe.write_all(data) => written.is_ok(),
            _ = self.wait() => false,
        };
        if !written {
            *stdin = None;
            return Err(closed());
        }
        Ok(())
    }

    /// Closes its stdin, behind what is being written. A terminal's input has no end.
    pub async fn end_stdin(&self) -> Result<(), Failure> {
        if self.terminal.is_some() {
            return Err(Failure::invalid("The input of a terminal has no end; Ctrl-D is the byte 4."));
        }
        *self.stdin.lock().await = None;
        Ok(())
    }

    /// Stays with it until its output has ended; says how in the log.
    pub async fn attend(self: Rc<Self>, outputs: Vec<Output>, slave: Option<OwnedFd>, time_limit: Option<Duration>) {
        let began = Instant::now();
        let mut pump = Pump { session: self.clone(), outputs, turn: 0, owed: 0 };
        let time = async {
            let timed_out = self.keep_time(time_limit).await;
            // Until here it was ours too, so that a program that closes and reopens its terminal doesn't end the output.
            drop(slave);
            (timed_out, began.elapsed())
        };
        let ((), (timed_out, duration)) = tokio::join!(pump.run(), time);
        *self.stdin.lock().await = None;
        self.log.finish(self.exited(timed_out, duration));
        if !pump.outputs.is_empty() {
            spawn_local(pump.discard());
        }
    }

    /// Kills it when its time is over. Returns at its end, with whether that happened.
    async fn keep_time(&self, limit: Option<Duration>) -> bool {
        if let Some(limit) = limit {
            tokio::select! {
                _ = self.wait() => return false,
                _ = sleep(limit) => self.signal(libc::SIGKILL),
            }
            self.wait().await;
            return true;
        }
        self.wait().await;
        false
    }

    fn exited(&self, timed_out: bool, duration: Duration) -> Bytes {
        let status = ExitStatus::from_raw(self.status.get().unwrap_or(0));
        let mut end = json!({
            "exit_code": status.code().unwrap_or(-1),
            "timed_out": timed_out,
            "duration_ms": duration.as_millis() as u64,
        });
        if let Some(signal) = status.signal() {
            end["signal"] = signal.into();
        }
        end.to_string().into()
    }
}

/// Moves what a program writes into its log.
struct Pump {
    session: Rc<Session>,
    outputs: Vec<Output>,
    /// Where to look first, so that one stream cannot keep the other from being read.
    turn: usize,
    /// What stood in the pipes when the program ended, and has not been read: it is the program's own.
    owed: usize,
}

impl Pump {
    /// Until the streams end, or nothing more is to be expected of them after the program's end.
    async fn run(&mut self) {
        let session = self.session.clone();
        tokio::select! {
            biased;
            _ = session.wait() => {}
            _ = self.move_all() => return,
        }
        self.owed = self.outputs.iter().map(|(pipe, _)| pipe.waiting()).sum();
        while self.owed > 0 && !self.outputs.is_empty() {
            self.move_next().await;
        }
        let _ = timeout(MOST_LINGER, self.move_until_silence()).await;
    }

    async fn move_all(&mut self) {
        while !self.outputs.is_empty() {
            self.move_next().await;
        }
    }

    async fn move_until_silence(&mut self) {
        while !self.outputs.is_empty() {
            self.session.log.wait_for_room().await;
            let Ok(index) = timeout(LINGER, self.readable()).await else { return };
            self.move_from(index);
            yield_now().await;
        }
    }

    async fn move_next(&mut self) {
        self.session.log.wait_for_room().await;
        let index = self.readable().await;
        self.move_from(index);
        // A program that writes without end must not keep the agent from everything else.
        yield_now().await;
    }

    async fn readable(&self) -> usize {
        std::future::poll_fn(|cx| {
            for i in 0..self.outputs.len() {
                let index = (self.turn + i) % self.outputs.len();
                if self.outputs[index].0.poll_readable(cx).is_ready() {
                    return Poll::Ready(index);
                }
            }
            Poll::Pending
        })
        .await
    }

    fn move_from(&mut self, index: usize) {
        let (pipe, kind) = &self.outputs[index];
        let log = &self.session.log;
        let room = log.room();
        let mut moved = 0;
        let take = |data: &[u8]| {
            moved = data.len();
            log.push(*kind, data);
        };
        if room > 0 && !pipe.read(room, take) {
            self.outputs.remove(index);
        }
        self.owed = self.owed.saturating_sub(moved);
        self.turn = index + 1;
    }

    /// Reads on for what descendants write: a closed pipe would end them.
    async fn discard(mut self) {
        while !self.outputs.is_empty() {
            let index = self.readable().await;
            if !self.outputs[index].0.read(usize::MAX, |_| ()) {
                self.outputs.remove(index);
            }
            self.turn = index + 1;
            yield_now().await;
        }
    }
}
