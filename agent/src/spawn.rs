//! The start of a program.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use crate::failure::{Code, Failure};
use crate::files;
use crate::frames;
use crate::launch::{Launch, launch};
use crate::pty::{Size, Terminal};
use crate::renew::Identity;
use crate::system;

const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

const TERM: &str = "xterm-256color";
const DEFAULT_LOG: usize = 256 * 1024;
const LEAST_LOG: usize = 4 * 1024;
const MOST_LOG: usize = 4 << 20;
const LONGEST_TAG: usize = 256;

/// What is to be started.
#[derive(Deserialize)]
pub struct Spec {
    pub cmd: String,
    #[serde(default)]
    pub args: Vec<String>,
    #[serde(default)]
    pub envs: BTreeMap<String, String>,
    pub cwd: Option<String>,
    pub tag: Option<String>,
    pub timeout_ms: Option<u64>,
    #[serde(default)]
    pub detached: bool,
    stdin: Option<bool>,
    log_bytes: Option<usize>,
    on_disconnect: Option<OnDisconnect>,
    pub pty: Option<Size>,
    /// Whether it is the agent's own: nobody else sees it.
    #[serde(skip)]
    pub is_own: bool,
}

/// What becomes of an attached program whose stream is lost.
#[derive(Clone, Copy, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum OnDisconnect {
    Kill,
    Keep,
}

impl Spec {
    /// A program of the agent's own, with a limit of time.
    pub fn own(program: &Path, args: Vec<String>, envs: BTreeMap<String, String>, time: Duration) -> Spec {
        Spec {
            cmd: program.to_string_lossy().into_owned(),
            args,
            envs,
            cwd: Some("/".into()),
            tag: None,
            timeout_ms: Some(time.as_millis() as u64),
            detached: false,
            stdin: Some(false),
            log_bytes: Some(LEAST_LOG * 2),
            on_disconnect: None,
            pty: None,
            is_own: true,
        }
    }

    /// Refuses what is out of bounds.
    pub fn check(&self) -> Result<(), Failure> {
        if self.tag.as_ref().is_some_and(|tag| tag.is_empty() || tag.len() > LONGEST_TAG) {
            return Err(Failure::invalid(format!("A tag must have 1 to {LONGEST_TAG} bytes.")));
        }
        if self.log_bytes.is_some_and(|bytes| !(LEAST_LOG..=MOST_LOG).contains(&bytes)) {
            return Err(Failure::invalid(format!("log_bytes must be {LEAST_LOG} to {MOST_LOG}.")));
        }
        self.pty.map_or(Ok(()), |size| size.check())
    }

    pub fn log_bytes(&self) -> usize {
        self.log_bytes.unwrap_or(DEFAULT_LOG)
    }

    /// Terminals are there to be come back to.
    pub fn on_disconnect(&self) -> OnDisconnect {
        self.on_disconnect.unwrap_or(if self.pty.is_some() { OnDisconnect::Keep } else { OnDisconnect::Kill })
    }

    fn has_stdin(&self) -> bool {
        self.stdin.unwrap_or(!self.detached)
    }
}

/// A program that was just started, and what connects us.
pub struct Spawned {
    pub pid: i32,
    pub connection: Connection,
}

pub enum Connection {
    /// Our ends of its pipes: stdin, where it has one, and those that it writes to, each with the kind of its frames.
    Pipes(Option<OwnedFd>, Vec<(OwnedFd, u8)>),
    Terminal(Terminal),
}

/// Starts a program in a session, and so a process group, of its own.
pub fn spawn(spec: &Spec, identity: Option<&Identity>) -> Result<Spawned, Failure> {
    let cwd = files::resolve(spec.cwd.as_deref().unwrap_or("/root"))?;
    if !fs::metadata(&cwd).map_err(|error| Failure::of(&error, &cwd.to_string_lossy()))?.is_dir() {
        return Err(Failure::new(Code::NotDirectory, format!("{} is not a directory.", cwd.display())));
    }
    let mut environment: BTreeMap<&str, &str> =
        BTreeMap::from([("HOME", "/root"), ("USER", "root"), ("PATH", PATH), ("LANG", "C.UTF-8")]);
    if let Some(Identity { capsule_id, template }) = identity {
        environment.extend([("WRENN_CAPSULE_ID", capsule_id.as_str()), ("WRENN_TEMPLATE", template)]);
    }
    environment.extend(spec.envs.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    if spec.pty.is_some() {
        environment.entry("TERM").or_insert(TERM);
    }
    let program = find(&spec.cmd, environment.get("PATH").unwrap_or(&PATH), &cwd)?;

    let Stdio { theirs, kept, connection } = Stdio::open(spec)?;
    let pid = launch(&Launch {
        program: &program,
        arg0: &spec.cmd,
        args: &spec.args,
        environment: &environment,
        cwd: &cwd,
        stdio: theirs,
        has_terminal: spec.pty.is_some(),
    })
    .map_err(|error| failure_of(&error, &spec.cmd))?;
    drop(kept);
    Ok(Spawned { pid, connection })
}

/// A program's stdin, stdout and stderr.
struct Stdio {
    /// The ends that become the program's.
    theirs: [RawFd; 3],
    /// Those of them that are open until it has them.
    kept: Vec<OwnedFd>,
    connection: Connection,
}

impl Stdio {
    fn open(spec: &Spec) -> Result<Stdio, Failure> {
        match spec.pty {
            Some(size) => Ok(Stdio::terminal(Terminal::open(size)?)),
            None => Stdio::pipes(spec.has_stdin()).map_err(|error| failure_of(&error, &spec.cmd)),
        }
    }

    fn terminal(terminal: Terminal) -> Stdio {
        let theirs = [terminal.slave.as_raw_fd(); 3];
        Stdio { theirs, kept: vec![], connection: Connection::Terminal(terminal) }
    }

    fn pipes(has_stdin: bool) -> io::Result<Stdio> {
        let (input, stdin) = if has_stdin {
            let (reader, writer) = system::pipe()?;
            (reader, Some(writer))
        } else {
            (fs::File::open("/dev/null")?.into(), None)
        };
        let ((stdout, out), (stderr, err)) = (system::pipe()?, system::pipe()?);
        let theirs = [&input, &out, &err].map(AsRawFd::as_raw_fd);
        let outputs = vec![(stdout, frames::STDOUT), (stderr, frames::STDERR)];
        Ok(Stdio { theirs, kept: vec![input, out, err], connection: Connection::Pipes(stdin, outputs) })
    }
}

/// Looks a program up as a shell would: by the PATH that it will have itself.
fn find(cmd: &str, path: &str, cwd: &Path) -> Result<PathBuf, Failure> {
    if cmd.contains('/') {
        return Ok(cwd.join(cmd));
    }
    let mut is_there = false;
    for folder in path.split(':') {
        let candidate = cwd.join(folder).join(cmd);
        if let Ok(found) = fs::metadata(&candidate) {
            if found.is_file() && found.permissions().mode() & 0o111 != 0 {
                return Ok(candidate);
            }
            is_there |= found.is_file();
        }
    }
    if is_there {
        return Err(Failure::new(Code::NotExecutable, format!("{cmd} cannot be executed.")));
    }
    Err(Failure::new(Code::NotFound, format!("{cmd} was not found in PATH.")))
}

fn failure_of(error: &io::Error, cmd: &str) -> Failure {
    match error.raw_os_error() {
        Some(libc::EACCES | libc::ENOEXEC) => Failure::new(Code::NotExecutable, format!("{cmd} cannot be executed.")),
        Some(libc::EAGAIN) => Failure::new(Code::Exhausted, format!("{cmd} failed: there are no more processes.")),
        Some(libc::E2BIG) => Failure::invalid(format!("{cmd}: the arguments and the environment are too long.")),
        _ => Failure::of(error, cmd),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_looked_up_in_the_given_path_alone() {
        let root = Path::new("/");
        assert_eq!(find("sh", "/nowhere:/bin", root).unwrap(), Path::new("/bin/sh"));
        assert_eq!(find("sh", "/nowhere", root).unwrap_err().code, Code::NotFound);
        assert_eq!(find("passwd", "/etc", root).unwrap_err().code, Code::NotExecutable);
        assert_eq!(find("bin/sh", "", root).unwrap(), Path::new("/bin/sh"));
    }
}
