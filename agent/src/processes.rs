//! The programs that were started: those that run, and those that ended last, whose output can still be read.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::spawn_local;
use tokio::time::{Instant, sleep_until};

use crate::failure::{Code, Failure};
use crate::log::Held;
use crate::session::Session;
use crate::system;

/// More programs at once aren't started.
const MOST_RUNNING: usize = 1024;
/// How many ended ones are remembered, for how long, and what their output may occupy.
const MOST_ENDED: usize = 64;
const ENDED_FOR: Duration = Duration::from_secs(600);
const MOST_ENDED_HELD: usize = 8 << 20;
/// How many children are reaped before others get their turn.
const REAPED_AT_ONCE: usize = 64;

#[derive(Default)]
pub struct Processes {
    running: RefCell<BTreeMap<i32, Rc<Session>>>,
    /// The oldest first, each with when it is forgotten.
    ended: RefCell<VecDeque<(Instant, Rc<Session>)>>,
    /// What all logs hold together.
    pub held: Held,
}

impl Processes {
    /// Enters a program that was just started.
    pub fn add(&self, session: Rc<Session>) {
        self.running.borrow_mut().insert(session.pid, session);
    }

    /// Refuses a tag that a running program has, and one program too many.
    pub fn check(&self, tag: Option<&str>) -> Result<(), Failure> {
        let running = self.running.borrow();
        if running.len() >= MOST_RUNNING {
            return Err(Failure::new(Code::Exhausted, format!("{MOST_RUNNING} programs run already.")));
        }
        match tag {
            Some(tag) if running.values().any(|session| session.tag.as_deref() == Some(tag)) => {
                Err(Failure::new(Code::Exists, format!("A program with the tag \"{tag}\" runs already.")))
            }
            _ => Ok(()),
        }
    }

    /// The running ones, as they are listed.
    pub fn list(&self) -> Vec<Value> {
        let one = |session: &Rc<Session>| {
            let mut listed = session.names();
            listed.insert("cmd".into(), session.cmd.as_str().into());
            listed.insert("args".into(), json!(*session.args.borrow()));
            if session.terminal.is_some() {
                listed.insert("pty".into(), true.into());
            }
            Value::Object(listed)
        };
        self.running.borrow().values().filter(|session| !session.is_own).map(one).collect()
    }

    /// The ended ones that are remembered, the oldest first.
    pub fn list_ended(&self) -> Vec<Value> {
        let one = |session: &Rc<Session>| {
            let mut listed = session.names();
            listed.insert("cmd".into(), session.cmd.as_str().into());
            // Absent while the rest of its output is on its way.
            let exited = session.log.exited().and_then(|exited| serde_json::from_slice(&exited).ok());
            listed.extend(exited.and_then(|exited: Value| exited.as_object().cloned()).unwrap_or_default());
            Value::Object(listed)
        };
        self.ended.borrow().iter().map(|(_, session)| one(session)).collect()
    }

    /// A running program, named by pid, tag or id.
    pub fn running(&self, selector: &str) -> Result<Rc<Session>, Failure> {
        let running = self.running.borrow();
        let found = running.values().find(|session| !session.is_own && session.is_named(selector));
        found.cloned().ok_or_else(|| Failure::new(Code::NotFound, format!("No program \"{selector}\" runs.")))
    }

    /// A program that runs or is remembered; of several the running one, else the one that ended last.
    pub fn find(&self, selector: &str) -> Result<Rc<Session>, Failure> {
        self.running(selector).or_else(|_| {
            let ended = self.ended.borrow();
            let found = ended.iter().rev().find(|(_, session)| session.is_named(selector));
            found
                .map(|(_, session)| session.clone())
                .ok_or_else(|| Failure::new(Code::NotFound, format!("There is no program \"{selector}\".")))
        })
    }

    /// Takes ended children off the kernel's hands, and tells who waits for them. `true` when there may be more.
    pub fn reap(self: &Rc<Self>) -> bool {
        for _ in 0..REAPED_AT_ONCE {
            let Some((pid, status)) = system::reap() else { return false };
            let ended = self.running.borrow_mut().remove(&pid);
            if let Some(session) = ended {
                session.end(status);
                if !session.is_own {
                    self.remember(session);
                }
            }
        }
        true
    }

    fn remember(self: &Rc<Self>, session: Rc<Session>) {
        session.args.take();
        let ended = &mut *self.ended.borrow_mut();
        if ended.is_empty() {
            spawn_local(self.clone().forget_in_time());
        }
        ended.push_back((Instant::now() + ENDED_FOR, session));
        let mut held: usize = ended.iter().map(|(_, session)| session.log.occupied()).sum();
        while ended.len() > MOST_ENDED || (held > MOST_ENDED_HELD && ended.len() > 1) {
            let Some((_, oldest)) = ended.pop_front() else { return };
            held -= oldest.log.occupied();
        }
    }

    /// Forgets the ended ones as their time comes, until none is left.
    async fn forget_in_time(self: Rc<Self>) {
        loop {
            let Some(next) = self.ended.borrow().front().map(|(until, _)| *until) else { return };
            sleep_until(next).await;
            self.ended.borrow_mut().retain(|(until, _)| *until > next);
        }
    }
}
