//! An agent on a machine that has nothing left.

mod support;

use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;

use http::Method;
use serde_json::json;
use support::{Agent, eventually, frame};

fn limit_descriptors(pid: u32, most: u64) {
    let limit = libc::rlimit { rlim_cur: most, rlim_max: most };
    // SAFETY: the structure is valid; the process is ours.
    assert_eq!(unsafe { libc::prlimit(pid as i32, libc::RLIMIT_NOFILE, &limit, std::ptr::null_mut()) }, 0);
}

#[tokio::test]
async fn without_descriptors_the_agent_says_so_and_recovers() {
    let agent = Agent::start("no-descriptors").await;
    let mut link = agent.link(b"").await;
    limit_descriptors(agent.pid(), 40);
    let start = json!({ "cmd": "sleep", "args": ["100"], "cwd": "/", "detached": true }).to_string();
    let mut pids = vec![];
    let code = loop {
        let reply = link.ask(Method::POST, "/v1/exec", &frame(1, start.as_bytes())).await;
        if reply.status != 200 {
            break reply.code();
        }
        let started: serde_json::Value = serde_json::from_slice(&support::frames(&reply.body)[0].1).unwrap();
        pids.push(started["pid"].as_i64().unwrap());
        assert!(pids.len() < 40);
    };
    assert_eq!(code, "exhausted");
    for path in ["/etc", "/etc/passwd"] {
        let query = if path == "/etc" { "/list" } else { "" };
        let reply = link.ask(Method::GET, &format!("/v1/files{query}?path={path}"), b"").await;
        assert!(reply.status == 200 || reply.code() == "exhausted", "{}", reply.code());
    }
    assert_eq!(link.ask(Method::GET, "/v1/health", b"").await.status, 200);
    for pid in &pids {
        let kill = json!({ "signal": "SIGKILL" }).to_string();
        assert_eq!(link.ask(Method::POST, &format!("/v1/processes/{pid}/signal"), kill.as_bytes()).await.status, 204);
    }
    eventually("they have ended", || pids.iter().all(|pid| !support::is_alive(*pid))).await;
    let reply = link.ask(Method::POST, "/v1/exec", &frame(1, start.as_bytes())).await;
    assert_eq!(reply.status, 200);
}

#[tokio::test]
async fn without_processes_programs_are_refused_and_files_still_work() {
    let name = "no-processes";
    let started = Agent::start_with(name, |command| {
        // SAFETY: plain numbers.
        if unsafe { libc::geteuid() } == 0 {
            // Root has no limit of processes.
            let dir = std::env::temp_dir().join(format!("wrenn-agent-{name}-{}", std::process::id()));
            chown(dir, Some(64_999), Some(64_999)).unwrap();
            command.uid(64_999).gid(64_999);
        }
    });
    let agent = match started.await {
        Ok(agent) => agent,
        // Another user may not get to where the program is built.
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => return eprintln!("skipped: {error}"),
        Err(error) => panic!("{error}"),
    };
    let mut link = agent.link(b"").await;
    // From inside: another user's limits may not be ours to set.
    let ran =
        link.exec(json!({ "cmd": "sh", "args": ["-c", "prlimit --nproc=0:0 --pid=$PPID"], "cwd": "/" }), b"").await;
    assert_eq!(support::end(&ran)["exit_code"], 0);
    let start = json!({ "cmd": "true", "cwd": "/" }).to_string();
    let pty = json!({ "cmd": "true", "cwd": "/", "pty": { "cols": 80, "rows": 24 } }).to_string();
    for start in [start, pty] {
        let reply = link.ask(Method::POST, "/v1/exec", &frame(1, start.as_bytes())).await;
        assert_eq!((reply.status, reply.code().as_str()), (503, "exhausted"));
    }
    let path = format!("/v1/files?path={}", agent.path("file"));
    assert_eq!(link.ask(Method::PUT, &path, b"content").await.status, 204);
    assert_eq!(link.ask(Method::GET, &path, b"").await.body, b"content");

    // The one thread that there is waits for this body.
    let (_response, _stream) = link.open(Method::PUT, &path).await;
    assert_eq!(link.ask(Method::GET, &path, b"").await.code(), "exhausted");
    assert_eq!(link.ask(Method::GET, "/v1/metrics", b"").await.status, 200);
}

#[tokio::test]
async fn programs_do_not_inherit_the_agents_limit() {
    let agent = Agent::start("inherit").await;
    let mut link = agent.link(b"").await;
    let ran = link.exec(json!({ "cmd": "sh", "args": ["-c", "ulimit -n"], "cwd": "/" }), b"").await;
    let mut own = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the structure is valid.
    unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut own) };
    assert_eq!(support::output(&ran, 0x82).trim(), own.rlim_cur.to_string());
}

#[tokio::test]
async fn many_orphans_that_end_at_once_do_not_keep_the_agent_from_answering() {
    let agent = Agent::start("orphans").await;
    let mut link = agent.link(b"").await;
    let script = "i=0; while [ $i -lt 2000 ]; do (sh -c : &); i=$((i+1)); done; echo made";
    let start = json!({ "cmd": "sh", "args": ["-c", script], "cwd": "/", "detached": true, "tag": "bomb" });
    link.exec(start, b"").await;
    for _ in 0..20 {
        assert_eq!(link.ask(Method::GET, "/v1/health", b"").await.status, 200);
    }
    let kill = json!({ "signal": "SIGKILL" }).to_string();
    link.ask(Method::POST, "/v1/processes/bomb/signal", kill.as_bytes()).await;
    let children = format!("/proc/{0}/task/{0}/children", agent.pid());
    eventually("all are reaped", || std::fs::read_to_string(&children).unwrap().is_empty()).await;
}
