//! A running SSH server reads its host keys anew.

use std::fs;
use std::io::Read;

use crate::renew::Machine;
use crate::state::State;
use crate::system::signal;

/// Tells those that listen. Their connections, if any, are processes of their own and are left alone.
pub fn reload(state: &State) {
    if state.machine != Machine::Capsule {
        return;
    }
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    for pid in processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok()) {
        if is_listening_server(pid) {
            signal(pid, libc::SIGHUP);
        }
    }
}

/// One that serves a connection calls itself "sshd: user@pts/0" or the like, or has another name.
fn is_listening_server(pid: i32) -> bool {
    let read = |name: &str| {
        let mut start = vec![];
        let file = fs::File::open(format!("/proc/{pid}/{name}")).ok()?;
        file.take(4096).read_to_end(&mut start).ok()?;
        Some(String::from_utf8_lossy(&start).into_owned())
    };
    let title = read("cmdline").unwrap_or_default();
    read("comm").is_some_and(|name| name.trim_end() == "sshd")
        && (!title.starts_with("sshd: ") || title.contains("[listener]"))
}
