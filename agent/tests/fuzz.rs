//! Whatever the host sends, the agent neither breaks nor waits nor grows, and writes nowhere but where it was told to.
//!
//! As an unprivileged user where that is possible: what chance makes of a request should harm nobody.

mod support;

use std::fs;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Uri};
use serde_json::json;
use support::mutate::{Rounds, corpus};
use support::{Agent, Link, Stream, frame};
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;
use tokio::time::timeout;

const NOBODY: u32 = 65534;
/// The most memory that the agent may ever have used, in KiB; a build with checks uses more than one without.
const MOST_MEMORY: u64 = 160 * 1024;
/// How much of an answer is read: some have no end.
const MOST_READ: usize = 1 << 20;
const SOON: Duration = Duration::from_millis(100);
const LATE: Duration = Duration::from_secs(10);

struct Tried {
    agent: Agent,
    said: PathBuf,
}

impl Tried {
    async fn start(name: &str) -> Tried {
        let dir = std::env::temp_dir().join(format!("wrenn-agent-{name}-{}", std::process::id()));
        let said = dir.join("said");
        let agent = Agent::start_with(name, |command| {
            // SAFETY: takes and returns plain numbers.
            if unsafe { libc_geteuid() } == 0 {
                chown(&dir, Some(NOBODY), Some(NOBODY)).unwrap();
                command.uid(NOBODY).gid(NOBODY);
            }
            command.stderr(fs::File::create(&said).unwrap());
        });
        Tried { agent: agent.await.unwrap(), said }
    }

    /// After anything, the agent is as good as new: it links, answers, and has neither panicked nor grown.
    async fn check(&self) -> Link {
        let mut link = self.agent.link(b"").await;
        assert_eq!(link.ask(Method::GET, "/v1/health", b"").await.status, 200);
        let said = fs::read_to_string(&self.said).unwrap();
        assert!(!said.contains("panicked"), "{said}");
        let status = fs::read_to_string(format!("/proc/{}/status", self.agent.pid())).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        let peak: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
        assert!(peak < MOST_MEMORY, "it used {peak} KiB");
        link
    }
}

unsafe extern "C" {
    #[link_name = "geteuid"]
    fn libc_geteuid() -> u32;
}

/// Asks, and reads what comes soon. That nothing begins to come in time is a hang, unless it is up to a program.
async fn ask(link: &mut Link, method: Method, path: &str, body: &[u8]) {
    let (response, mut sending) = link.open(method, path).await;
    let _ = sending.send_data(Bytes::copy_from_slice(body), true);
    let response = timeout(LATE, response).await.unwrap_or_else(|_| panic!("no answer to {path}"));
    let Ok(response) = response else { return };
    let mut content = response.into_body();
    let mut read = 0;
    while let Ok(Some(Ok(piece))) = timeout(SOON, content.data()).await {
        let _ = content.flow_control().release_capacity(piece.len());
        read += piece.len();
        if read > MOST_READ {
            return;
        }
    }
}

#[tokio::test]
async fn words_on_the_control_port() {
    let tried = Tried::start("fuzz-control").await;
    let (inputs, mut rounds) = (corpus("control"), Rounds::begin());
    while rounds.go_on() {
        for _ in 0..20 {
            let input = rounds.chance.mutate(&inputs);
            let mut control = UnixStream::connect(tried.agent.dir.join("control")).await.unwrap();
            let _ = timeout(SOON, control.write_all(&input)).await;
        }
        tried.check().await;
    }
}

#[tokio::test]
async fn bytes_on_the_data_port_that_break_off_anywhere() {
    let tried = Tried::start("fuzz-connection").await;
    let (inputs, mut rounds) = (corpus("connection"), Rounds::begin());
    while rounds.go_on() {
        for _ in 0..20 {
            let input = rounds.chance.mutate(&inputs);
            let mut data = tried.agent.begin().await;
            let _ = timeout(SOON, data.stream.write_all(&input)).await;
            if rounds.chance.below(2) == 0 {
                tokio::task::yield_now().await;
            }
        }
        tried.check().await;
    }
}

#[tokio::test]
async fn frames_of_an_exec() {
    let tried = Tried::start("fuzz-exec").await;
    let (inputs, mut rounds) = (corpus("exec"), Rounds::begin());
    while rounds.go_on() {
        let mut link = tried.check().await;
        for _ in 0..10 {
            let input = rounds.chance.mutate(&inputs);
            ask(&mut link, Method::POST, "/v1/exec", &input).await;
        }
    }
}

#[tokio::test]
async fn bodies_that_should_be_json() {
    let tried = Tried::start("fuzz-json").await;
    let (inputs, mut rounds) = (corpus("json"), Rounds::begin());
    while rounds.go_on() {
        let mut link = tried.check().await;
        let asked =
            json!({ "cmd": "sleep", "args": ["20"], "cwd": "/", "tag": "it", "detached": true, "timeout_ms": 5000 });
        ask(&mut link, Method::POST, "/v1/exec", &frame(1, asked.to_string().as_bytes())).await;
        for _ in 0..100 {
            let path = *rounds.chance.of(&[
                "/v1/renew",
                "/v1/clock",
                "/v1/prepare",
                "/v1/after-restore",
                "/v1/processes/it/resize",
                "/v1/processes/it/signal",
            ]);
            let input = rounds.chance.mutate(&inputs);
            ask(&mut link, Method::POST, path, &input).await;
        }
    }
}

#[tokio::test]
async fn paths_and_queries() {
    let tried = Tried::start("fuzz-paths").await;
    fs::write(tried.agent.path("file"), "content").unwrap();
    let dir = tried.agent.dir.to_string_lossy().into_owned();
    let (inputs, mut rounds) = (corpus("paths"), Rounds::begin());
    while rounds.go_on() {
        let mut link = tried.check().await;
        for _ in 0..50 {
            let path = String::from_utf8_lossy(&rounds.chance.mutate(&inputs)).replace("DIR", &dir);
            // What is no address can't be sent by this library; the bytes of connections are tried elsewhere.
            if path.starts_with('/') && format!("http://agent{path}").parse::<Uri>().is_ok() {
                ask(&mut link, Method::GET, &path, b"").await;
            }
        }
    }
}

#[tokio::test]
async fn archives_write_nothing_outside() {
    let tried = Tried::start("fuzz-tar").await;
    let canary = tried.agent.dir.join("canary");
    fs::create_dir(&canary).unwrap();
    fs::write(canary.join("kept"), "kept").unwrap();
    for path in [&canary, &canary.join("kept")] {
        let _ = chown(path, Some(NOBODY), Some(NOBODY));
    }
    let names = |dir: &PathBuf| {
        let mut names: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.retain(|name| name != "box");
        names.sort();
        names
    };
    let before = names(&tried.agent.dir);
    let path = format!("/v1/files/tar?path={}", tried.agent.path("box"));
    let (inputs, mut rounds) = (corpus("tar"), Rounds::begin());
    while rounds.go_on() {
        let mut link = tried.check().await;
        for _ in 0..20 {
            let input = rounds.chance.mutate(&inputs);
            ask(&mut link, Method::PUT, &path, &input).await;
            assert_eq!(names(&canary), ["kept"]);
            assert_eq!(fs::read(canary.join("kept")).unwrap(), b"kept");
            assert_eq!(fs::metadata(canary.join("kept")).unwrap().len(), 4);
        }
        assert_eq!(names(&tried.agent.dir), before);
        link.ask(Method::DELETE, &format!("/v1/files?path={}", tried.agent.path("box")), b"").await;
    }
}

#[tokio::test]
async fn calls_in_any_order() {
    let tried = Tried::start("fuzz-order").await;
    let (mut rounds, mut round) = (Rounds::begin(), 0);
    while rounds.go_on() {
        round += 1;
        let tag = format!("it-{round}");
        let mut link = tried.check().await;
        let is_terminal = rounds.chance.below(2) == 0;
        let mut asked = json!({ "cmd": "cat", "cwd": "/", "tag": tag, "on_disconnect": "keep", "timeout_ms": 2000 });
        if is_terminal {
            asked["pty"] = json!({ "cols": 80, "rows": 24 });
        }
        let mut stream = Stream::open(&mut link, Method::POST, "/v1/exec").await;
        stream.send(&frame(1, asked.to_string().as_bytes()));
        assert_eq!(stream.status().await, 200);
        for _ in 0..rounds.chance.below(12) {
            let (method, call, body): &(Method, &str, &[u8]) = rounds.chance.of(&CALLS);
            ask(&mut link, method.clone(), &format!("/v1/processes/{tag}/{call}"), body).await;
            match rounds.chance.below(8) {
                0 => stream.offer(&frame(2, b"typed\n")),
                1 => stream.offer(&frame(3, b"")),
                2 => stream.offer(&frame(5, br#"{"cols":0,"rows":1}"#)),
                _ => {}
            }
        }
        if rounds.chance.below(2) == 0 {
            stream.reset();
        }
        ask(&mut link, Method::POST, &format!("/v1/processes/{tag}/signal"), br#"{"signal":"SIGKILL"}"#).await;
        link.cut();
    }
}

const CALLS: [(Method, &str, &[u8]); 9] = [
    (Method::POST, "stdin", b"typed\n"),
    (Method::POST, "stdin", b""),
    (Method::POST, "stdin/end", b""),
    (Method::POST, "resize", br#"{"cols":3,"rows":4}"#),
    (Method::POST, "resize", br#"{"cols":0,"rows":70000}"#),
    (Method::POST, "signal", br#"{"signal":"SIGINT"}"#),
    (Method::GET, "output?from=99999999999", b""),
    (Method::GET, "output?tail=3", b""),
    (Method::GET, "output", b""),
];
