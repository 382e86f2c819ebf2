//! The moments between our process and a program's own.
//!
//! Until it is the program, the child borrows our memory (clone with CLONE_VM and CLONE_VFORK, as posix_spawn does it). A
//! fork would copy our page tables first, and then every page that either of us writes: the larger part of what the start of a
//! small program costs, above all where the processor is emulated. So what the child does here is system calls on what
//! was prepared, and nothing else.

use std::collections::BTreeMap;
use std::ffi::{CString, c_char, c_int, c_void};
use std::io;
use std::os::fd::RawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr;

use crate::limits;
use crate::pty;
use crate::system::check;

/// The child's stack, besides what the C library needs to run a script that doesn't say by what.
const STACK: usize = 64 * 1024;

pub struct Launch<'a> {
    pub program: &'a Path,
    /// What the program sees as its own name, and its arguments.
    pub arg0: &'a str,
    pub args: &'a [String],
    pub environment: &'a BTreeMap<&'a str, &'a str>,
    pub cwd: &'a Path,
    /// What becomes stdin, stdout and stderr; above 2, and closed on exec.
    pub stdio: [RawFd; 3],
    /// Whether stdin is a terminal, which becomes the session's.
    pub has_terminal: bool,
}

/// What the child needs, ready for system calls.
struct Prepared {
    program: CString,
    cwd: CString,
    argv: Vec<*const c_char>,
    envp: Vec<*const c_char>,
    stdio: [RawFd; 3],
    has_terminal: bool,
    /// Why the child did not become the program: errno, written by it.
    error: c_int,
}

/// Starts a program in a session of its own. Returns its pid when it is the program, and not ours any more.
pub fn launch(launch: &Launch) -> io::Result<i32> {
    let texts = |texts: &mut dyn Iterator<Item = String>| -> io::Result<Vec<CString>> {
        texts.map(|text| Ok(CString::new(text)?)).collect()
    };
    let args = texts(&mut [launch.arg0].into_iter().map(String::from).chain(launch.args.iter().cloned()))?;
    let environment = texts(&mut launch.environment.iter().map(|(name, value)| format!("{name}={value}")))?;
    let mut prepared = Prepared {
        program: CString::new(launch.program.as_os_str().as_bytes())?,
        cwd: CString::new(launch.cwd.as_os_str().as_bytes())?,
        argv: pointers(&args),
        envp: pointers(&environment),
        stdio: launch.stdio,
        has_terminal: launch.has_terminal,
        error: 0,
    };
    let mut stack = vec![0u128; (STACK + prepared.argv.len() * size_of::<usize>()).div_ceil(16)];
    let top = stack.as_mut_ptr_range().end.cast::<c_void>();
    let given = ptr::from_mut(&mut prepared);
    // SAFETY: we wait until the child has left its stack and what it was given.
    let pid = unsafe { libc::clone(child, top, libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD, given.cast()) };
    check(pid)?;
    // SAFETY: the child wrote it, if anybody.
    let error = unsafe { ptr::read_volatile(&raw const (*given).error) };
    if error == 0 {
        return Ok(pid);
    }
    // SAFETY: a child of ours that is about to end.
    unsafe { libc::waitpid(pid, ptr::null_mut(), 0) };
    Err(io::Error::from_raw_os_error(error))
}

fn pointers(texts: &[CString]) -> Vec<*const c_char> {
    texts.iter().map(|text| text.as_ptr()).chain([ptr::null()]).collect()
}

extern "C" fn child(given: *mut c_void) -> c_int {
    let prepared = given.cast::<Prepared>();
    // SAFETY: it is there until we end or become the program.
    let error = unsafe { become_program(&*prepared) };
    // SAFETY: as above. Nobody else reads it before our end.
    unsafe {
        ptr::write_volatile(&raw mut (*prepared).error, error.raw_os_error().unwrap_or(libc::EIO));
        libc::_exit(127)
    }
}

/// Returns why it could not.
fn become_program(prepared: &Prepared) -> io::Error {
    match prepare(prepared) {
        // SAFETY: strings that end in NUL, in lists that end in null.
        Ok(()) => unsafe {
            libc::execvpe(prepared.program.as_ptr(), prepared.argv.as_ptr(), prepared.envp.as_ptr());
            io::Error::last_os_error()
        },
        Err(error) => error,
    }
}

/// Gives the child what is a program's.
fn prepare(prepared: &Prepared) -> io::Result<()> {
    // SAFETY: plain numbers, and a string that ends in NUL.
    unsafe {
        for (fd, source) in prepared.stdio.iter().enumerate() {
            check(libc::dup2(*source, fd as RawFd))?;
        }
        check(libc::chdir(prepared.cwd.as_ptr()))?;
        check(libc::setsid())?;
        if prepared.has_terminal {
            pty::take_stdin()?;
        }
        limits::apply_to_child();
        restore_signals()
    }
}

/// What we ignore and block is ours alone.
unsafe fn restore_signals() -> io::Result<()> {
    // SAFETY: the set is filled before it is used.
    unsafe {
        libc::signal(libc::SIGPIPE, libc::SIG_DFL);
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&mut none);
        check(libc::sigprocmask(libc::SIG_SETMASK, &none, ptr::null_mut()))
    }
}
