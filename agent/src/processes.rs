//! The programs that were started and have not ended.

use std::cell::RefCell;
use std::collections::BTreeMap;

use serde::Serialize;
use tokio::sync::oneshot;

use crate::failure::{Code, Failure};
use crate::system;

/// A program that runs, as it is listed.
#[derive(Clone, Serialize)]
pub struct Listed {
    pub pid: i32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    pub cmd: String,
    pub args: Vec<String>,
}

struct Running {
    listed: Listed,
    /// Who waits for the end.
    tell: oneshot::Sender<i32>,
}

#[derive(Default)]
pub struct Processes {
    running: RefCell<BTreeMap<i32, Running>>,
}

impl Processes {
    /// Enters a program that was just started. Resolves with its wait status.
    pub fn add(&self, listed: Listed) -> oneshot::Receiver<i32> {
        let (tell, told) = oneshot::channel();
        self.running.borrow_mut().insert(listed.pid, Running { listed, tell });
        told
    }

    pub fn list(&self) -> Vec<Listed> {
        self.running.borrow().values().map(|running| running.listed.clone()).collect()
    }

    /// Refuses a tag that a running program has.
    pub fn check_free(&self, tag: &str) -> Result<(), Failure> {
        let taken = self.running.borrow().values().any(|running| running.listed.tag.as_deref() == Some(tag));
        if taken {
            Err(Failure::new(Code::Exists, format!("A program with the tag \"{tag}\" runs already.")))
        } else {
            Ok(())
        }
    }

    /// Sends a signal to the group of a program, named by pid or tag.
    pub fn signal(&self, selector: &str, signal: i32) -> Result<(), Failure> {
        let running = self.running.borrow();
        let found = running
            .values()
            .map(|running| &running.listed)
            .find(|listed| listed.pid.to_string() == selector || listed.tag.as_deref() == Some(selector));
        let listed = found.ok_or_else(|| Failure::new(Code::NotFound, format!("No program \"{selector}\" runs.")))?;
        system::signal_group(listed.pid, signal);
        Ok(())
    }

    /// Takes every ended child off the kernel's hands, and tells who waits for it.
    pub fn reap(&self) {
        while let Some((pid, status)) = system::reap() {
            if let Some(ended) = self.running.borrow_mut().remove(&pid) {
                let _ = ended.tell.send(status);
            }
        }
    }
}
