//! What all connections share.

use std::rc::Rc;
use std::time::Instant;

use crate::processes::Processes;
use crate::renew::Machine;

pub struct State {
    pub processes: Rc<Processes>,
    /// What `renew` may change.
    pub machine: Machine,
    pub started: Instant,
}

impl State {
    pub fn new(machine: Machine) -> Self {
        State { processes: Rc::default(), machine, started: Instant::now() }
    }
}
