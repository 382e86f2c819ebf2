//! What keeps the agent able to answer, whatever the programs of a capsule use up.

use std::io;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::system::check;

/// The descriptors that the agent may have open; the kernel's own default is 1024.
const DESCRIPTORS: libc::rlim_t = 65_536;
/// The agent's niceness among programs of 0: enough to be heard among thousands of them, and not so much that passing on
/// what one of them writes would stop the others.
const NICENESS: libc::c_int = -10;

/// The limit of descriptors that programs start with.
static ORIGINAL: OnceLock<libc::rlimit> = OnceLock::new();
static IS_PREFERRED: AtomicBool = AtomicBool::new(false);

/// Lets the agent have many descriptors. Its programs don't inherit that.
pub fn raise() -> io::Result<()> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the structure is valid.
    check(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) })?;
    let _ = ORIGINAL.set(limit);
    let most = limit.rlim_max.min(DESCRIPTORS).max(limit.rlim_cur);
    let raised = libc::rlimit { rlim_cur: most, rlim_max: limit.rlim_max };
    // SAFETY: the structure is valid.
    check(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raised) })
}

/// Lets the agent go first when processors are short. Its programs don't inherit that. (A control group would hold more, but
/// entering one costs every start of a program milliseconds.)
pub fn prefer() -> io::Result<()> {
    set_niceness(NICENESS)?;
    IS_PREFERRED.store(true, Ordering::Relaxed);
    Ok(())
}

fn set_niceness(niceness: libc::c_int) -> io::Result<()> {
    // SAFETY: plain numbers; 0 is who calls.
    check(unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, niceness) })
}

/// Gives a program what is a program's. Between fork and exec: only system calls.
pub fn apply_to_child() {
    if let Some(limit) = ORIGINAL.get() {
        // SAFETY: the structure is valid.
        unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, limit) };
    }
    if IS_PREFERRED.load(Ordering::Relaxed) {
        let _ = set_niceness(0);
    }
}
