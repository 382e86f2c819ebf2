//! Programs on terminals.

mod support;

use http::Method;
use serde_json::{Value, json};
use support::{Agent, Frame, Link, Stream, end, eventually, frame, frames, is_alive, output};

/// Starts a shell on a terminal of 100 by 30.
async fn shell(link: &mut Link, more: Value) -> Value {
    let mut start = json!({ "cmd": "sh", "args": ["-i"], "cwd": "/", "detached": true, "pty": { "cols": 100, "rows": 30 },
        "envs": { "PS1": "$ " } });
    start.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let ran = link.exec(start, b"").await;
    serde_json::from_slice(&ran[0].1).unwrap()
}

async fn post(link: &mut Link, id: &str, what: &str, body: &str) -> u16 {
    link.ask(Method::POST, &format!("/v1/processes/{id}/{what}"), body.as_bytes()).await.status
}

async fn attach(link: &mut Link, id: &str) -> Stream {
    let mut stream = Stream::open(link, Method::GET, &format!("/v1/processes/{id}/output")).await;
    assert_eq!(stream.frame().await.0, 0x85);
    stream
}

/// Reads on until the text has come.
async fn until(stream: &mut Stream, text: &str) -> String {
    let mut seen = String::new();
    while !seen.contains(text) {
        let (kind, payload) = stream.frame().await;
        assert_eq!(kind, 0x82, "after {seen:?}: {}", String::from_utf8_lossy(&payload));
        seen.push_str(&String::from_utf8_lossy(&payload));
    }
    seen
}

fn text(frames: &[Frame]) -> String {
    output(frames, 0x82)
}

#[tokio::test]
async fn a_shell_has_a_terminal_of_the_asked_size_that_can_change() {
    let agent = Agent::start("pty-size").await;
    let mut link = agent.link(b"").await;
    let started = shell(&mut link, json!({})).await;
    let id = started["tag"].as_str().unwrap();
    assert!(id.starts_with("pty-") && id.len() == 12);
    let mut stream = attach(&mut link, id).await;
    assert_eq!(
        post(&mut link, id, "stdin", "stty size; echo $TERM; tty; ps -o tty= -p $$; echo a$((1+1))z\n").await,
        204
    );
    let seen = until(&mut stream, "a2z").await;
    assert!(seen.contains("30 100\r\n") && seen.contains("xterm-256color\r\n") && seen.contains("/dev/pts/"), "{seen}");
    assert_eq!(post(&mut link, id, "stdin", "trap 'echo wi''nch' WINCH; echo tr''apped\n").await, 204);
    until(&mut stream, "trapped").await;
    assert_eq!(post(&mut link, id, "resize", r#"{"cols":132,"rows":50}"#).await, 204);
    assert_eq!(post(&mut link, id, "stdin", "stty size\n").await, 204);
    let mut seen = until(&mut stream, "50 132").await;
    if !seen.contains("winch") {
        seen = until(&mut stream, "winch").await;
    }
    assert!(seen.contains("winch"));
    for wrong in [r#"{"cols":0,"rows":50}"#, r#"{"cols":70000,"rows":50}"#, "{}"] {
        assert_eq!(post(&mut link, id, "resize", wrong).await, 400);
    }
    assert_eq!(post(&mut link, id, "stdin/end", "").await, 400);
    let listed = link.ask(Method::GET, "/v1/processes", b"").await.json();
    assert_eq!(listed["processes"][0]["pty"], true);
    assert_eq!(post(&mut link, id, "stdin", "exit 7\n").await, 204);
    assert_eq!(end(&stream.rest().await)["exit_code"], 7);
}

#[tokio::test]
async fn ctrl_c_interrupts_the_foreground_and_the_shell_lives_on() {
    let agent = Agent::start("pty-ctrl-c").await;
    let mut link = agent.link(b"").await;
    let started = shell(&mut link, json!({})).await;
    let id = started["id"].as_str().unwrap();
    let mut stream = attach(&mut link, id).await;
    assert_eq!(post(&mut link, id, "stdin", "echo sl''eeps; sleep 100\n").await, 204);
    until(&mut stream, "sleeps").await;
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    assert_eq!(post(&mut link, id, "stdin", "\x03").await, 204);
    until(&mut stream, "$ ").await;
    assert_eq!(post(&mut link, id, "stdin", "echo al''ive\n").await, 204);
    until(&mut stream, "alive").await;
}

#[tokio::test]
async fn a_terminal_survives_its_connection_and_several_readers_see_the_same() {
    let agent = Agent::start("pty-again").await;
    let mut link = agent.link(b"").await;
    let (response, mut send) = link.open(Method::POST, "/v1/exec").await;
    let start = json!({ "cmd": "cat", "cwd": "/", "pty": { "cols": 80, "rows": 24 }, "tag": "mine" });
    let mut body = frame(1, start.to_string().as_bytes());
    body.extend(frame(2, b"first\n"));
    send.send_data(body.into(), false).unwrap();
    let mut answer = response.await.unwrap().into_body();
    assert_eq!(frames(&answer.data().await.unwrap().unwrap())[0].0, 0x81);
    let mut early = attach(&mut link, "mine").await;
    until(&mut early, "first\r\nfirst\r\n").await;
    link.cut();

    let mut link = agent.link(b"").await;
    let (mut one, mut two) = (attach(&mut link, "mine").await, attach(&mut link, "mine").await);
    assert_eq!(post(&mut link, "mine", "stdin", "second\n").await, 204);
    for reader in [&mut one, &mut two] {
        assert_eq!(until(reader, "second\r\nsecond\r\n").await, "first\r\nfirst\r\nsecond\r\nsecond\r\n");
    }
    assert_eq!(post(&mut link, "mine", "stdin", "\x04").await, 204);
    assert_eq!(end(&one.rest().await)["exit_code"], 0);
    assert_eq!(end(&two.rest().await)["exit_code"], 0);
    let late = link.ask(Method::GET, "/v1/processes/mine/output", b"").await;
    assert!(text(&frames(&late.body)).starts_with("first\r\n"));
}

#[tokio::test]
async fn signals_reach_the_foreground_group_and_end_shells_that_ignore_them() {
    let agent = Agent::start("pty-signal").await;
    let mut link = agent.link(b"").await;
    for (signal, number) in [("SIGTERM", vec![1, 15]), ("SIGKILL", vec![1, 9])] {
        let started = shell(&mut link, json!({ "cmd": "bash", "args": ["--norc", "-i"] })).await;
        let id = started["id"].as_str().unwrap();
        let mut stream = attach(&mut link, id).await;
        assert_eq!(post(&mut link, id, "stdin", "sh -c 'echo p''id=$$.; trap \"\" HUP TERM; sleep 100'\n").await, 204);
        let seen = until(&mut stream, ".\r\n").await;
        let digits = seen.split("pid=").last().unwrap().split('.').next().unwrap();
        let pid: i64 = digits.parse().unwrap();
        if signal == "SIGTERM" {
            // SAFETY: the process is ours; the shell waits for it.
            eventually("it sleeps", || {
                std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).is_ok_and(|c| !c.is_empty())
            })
            .await;
        }
        assert_eq!(post(&mut link, id, "signal", &json!({ "signal": signal }).to_string()).await, 204);
        let end = end(&stream.rest().await);
        assert!(number.iter().any(|number| end["signal"] == *number) || end["exit_code"] != -1, "{end}");
        eventually("the shell has ended", || !is_alive(started["pid"].as_i64().unwrap())).await;
        // SAFETY: the process was ours.
        unsafe { libc::kill(-(pid as i32), libc::SIGKILL) };
        eventually("and what it ran", || !is_alive(pid)).await;
    }
}

#[tokio::test]
async fn much_output_of_a_terminal_arrives_whole_with_the_exit_behind_it() {
    let agent = Agent::start("pty-much").await;
    let mut link = agent.link(b"").await;
    for _ in 0..5 {
        let start = json!({ "cmd": "seq", "args": ["20000"], "cwd": "/", "pty": { "cols": 80, "rows": 24 } });
        let ran = link.exec(start, b"").await;
        let expected: String = (1..=20000).map(|i| format!("{i}\r\n")).collect();
        assert_eq!(text(&ran).len(), expected.len());
        assert_eq!(end(&ran)["exit_code"], 0);
    }
}
