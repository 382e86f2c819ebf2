//! What all connections share.

use std::cell::RefCell;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Instant;

use crate::processes::Processes;
use crate::renew::{Identity, Machine};

pub struct State {
    pub processes: Rc<Processes>,
    /// What `renew` may change.
    pub machine: Machine,
    pub started: Instant,
    /// Who this capsule is, once it was told.
    pub identity: RefCell<Option<Identity>>,
    /// Where hooks and SSH host keys are: /etc, if that is the capsule's.
    pub etc: Option<PathBuf>,
}

impl State {
    pub fn new(machine: Machine, etc: Option<PathBuf>) -> Self {
        State { processes: Rc::default(), machine, started: Instant::now(), identity: RefCell::default(), etc }
    }
}
