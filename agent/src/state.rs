//! What all connections share.

use std::time::Instant;

use crate::processes::Processes;
use crate::renew::Machine;

pub struct State {
    pub processes: Processes,
    /// What `renew` may change.
    pub machine: Machine,
    pub started: Instant,
}

impl State {
    pub fn new(machine: Machine) -> Self {
        State { processes: Processes::default(), machine, started: Instant::now() }
    }
}
