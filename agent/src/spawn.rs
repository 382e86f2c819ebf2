//! The start of a program.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde::Deserialize;

use crate::failure::{Code, Failure};
use crate::files;

const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

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
}

/// A program that was just started, and our ends of its pipes, where it has some.
pub struct Spawned {
    pub pid: i32,
    pub stdin: Option<OwnedFd>,
    pub stdout: Option<OwnedFd>,
    pub stderr: Option<OwnedFd>,
}

/// Starts a program in a session, and so a process group, of its own.
pub fn spawn(spec: &Spec) -> Result<Spawned, Failure> {
    let cwd = files::resolve(spec.cwd.as_deref().unwrap_or("/root"))?;
    if !fs::metadata(&cwd).map_err(|error| Failure::of(&error, &cwd.to_string_lossy()))?.is_dir() {
        return Err(Failure::new(Code::NotDirectory, format!("{} is not a directory.", cwd.display())));
    }
    let mut environment: BTreeMap<&str, &str> =
        BTreeMap::from([("HOME", "/root"), ("USER", "root"), ("PATH", PATH), ("LANG", "C.UTF-8")]);
    environment.extend(spec.envs.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    let program = find(&spec.cmd, environment.get("PATH").unwrap_or(&PATH), &cwd)?;

    let mut command = Command::new(&program);
    command.arg0(&spec.cmd).args(&spec.args).env_clear().envs(&environment).current_dir(&cwd);
    let stdio = || if spec.detached { Stdio::null() } else { Stdio::piped() };
    command.stdin(stdio()).stdout(stdio()).stderr(stdio());
    // SAFETY: only calls that are allowed between fork and exec.
    unsafe { command.pre_exec(prepare_child) };
    let mut child = command.spawn().map_err(|error| failure_of(&error, &spec.cmd))?;
    Ok(Spawned {
        pid: child.id() as i32,
        stdin: child.stdin.take().map(OwnedFd::from),
        stdout: child.stdout.take().map(OwnedFd::from),
        stderr: take_stderr(&mut child),
    })
}

fn take_stderr(child: &mut Child) -> Option<OwnedFd> {
    child.stderr.take().map(OwnedFd::from)
}

fn prepare_child() -> io::Result<()> {
    // SAFETY: system calls on constants.
    unsafe {
        if libc::setsid() < 0 {
            return Err(io::Error::last_os_error());
        }
        // The agent's protection from the out-of-memory killer is not passed on.
        let file = libc::open(c"/proc/self/oom_score_adj".as_ptr(), libc::O_WRONLY | libc::O_CLOEXEC);
        if file >= 0 {
            libc::write(file, c"0".as_ptr().cast(), 1);
            libc::close(file);
        }
    }
    Ok(())
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
