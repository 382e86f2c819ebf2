//! Programs, as the host runs them.

mod support;

use http::Method;
use serde_json::json;
use support::{Agent, end, eventually, frame, frames, is_alive, output};

fn shell(script: &str) -> serde_json::Value {
    json!({ "cmd": "sh", "args": ["-c", script], "cwd": "/" })
}

#[tokio::test]
async fn output_exit_code_and_environment_are_the_programs_own() {
    let agent = Agent::start("exec").await;
    let mut link = agent.link(b"").await;
    let ran = link
        .exec(
            json!({ "cmd": "sh", "args": ["-c", "echo $A $HOME; pwd; echo no >&2; exit 3"], "envs": { "A": "b" }, "cwd": "/usr" }),
            b"",
        )
        .await;
    assert_eq!(ran[0].0, 0x81);
    assert_eq!(output(&ran, 0x82), "b /root\n/usr\n");
    assert_eq!(output(&ran, 0x83), "no\n");
    assert_eq!(end(&ran)["exit_code"], 3);
    let leaked = link.exec(json!({ "cmd": "env", "cwd": "/" }), b"").await;
    assert!(!output(&leaked, 0x82).contains("CARGO"), "the agent's environment is not passed on");
}

#[tokio::test]
async fn stdin_is_passed_on_and_the_end_of_the_request_is_its_end() {
    let agent = Agent::start("stdin").await;
    let mut link = agent.link(b"").await;
    let text = "line\n".repeat(100_000);
    let ran = link.exec(json!({ "cmd": "cat", "cwd": "/" }), text.as_bytes()).await;
    assert_eq!(output(&ran, 0x82).len(), text.len());
    let ran = link.exec(shell("sleep 0.2; echo still"), b"").await;
    assert_eq!(output(&ran, 0x82), "still\n");
}

#[tokio::test]
async fn deaths_by_signal_and_by_time_limit_are_told_apart() {
    let agent = Agent::start("death").await;
    let mut link = agent.link(b"").await;
    let killed = end(&link.exec(shell("kill -9 $$"), b"").await);
    assert_eq!((&killed["exit_code"], &killed["signal"], &killed["timed_out"]), (&json!(-1), &json!(9), &json!(false)));
    let mut start = shell("sleep 100 & wait");
    start["timeout_ms"] = 100.into();
    let late = end(&link.exec(start, b"").await);
    assert_eq!((&late["exit_code"], &late["timed_out"]), (&json!(-1), &json!(true)));
}

#[tokio::test]
async fn a_descendant_that_keeps_the_pipe_open_does_not_keep_the_answer() {
    let agent = Agent::start("linger").await;
    let mut link = agent.link(b"").await;
    let ran = link.exec(shell("sleep 30 & echo $!"), b"").await;
    assert_eq!(end(&ran)["exit_code"], 0);
    let pid: i64 = output(&ran, 0x82).trim().parse().unwrap();
    assert!(is_alive(pid), "it is left alone");
    // SAFETY: the process is ours.
    unsafe { libc::kill(pid as i32, libc::SIGKILL) };
    eventually("it is reaped by the agent", || !is_alive(pid)).await;
}

#[tokio::test]
async fn what_cannot_be_started_says_why() {
    let agent = Agent::start("not-started").await;
    std::fs::write(agent.path("plain"), "#!/bin/sh\n").unwrap();
    let mut link = agent.link(b"").await;
    for (start, code) in [
        (json!({ "cmd": "no-such-program", "cwd": "/" }), "not_found"),
        (json!({ "cmd": "/no/such/program", "cwd": "/" }), "not_found"),
        (json!({ "cmd": "true", "cwd": "/no/such/directory" }), "not_found"),
        (json!({ "cmd": "true", "cwd": "/etc/passwd" }), "not_directory"),
        (json!({ "cmd": agent.path("plain"), "cwd": "/" }), "not_executable"),
        (json!({ "command": "true" }), "invalid"),
    ] {
        let reply = link.ask(Method::POST, "/v1/exec", &frame(1, start.to_string().as_bytes())).await;
        assert_eq!(reply.code(), code, "{start}");
    }
}

#[tokio::test]
async fn a_detached_program_outlives_its_connection_and_an_attached_one_does_not() {
    let agent = Agent::start("detached").await;
    let mut link = agent.link(b"").await;
    let detached = json!({ "cmd": "sleep", "args": ["100"], "cwd": "/", "detached": true, "tag": "stays" });
    let reply = link.ask(Method::POST, "/v1/exec", &frame(1, detached.to_string().as_bytes())).await;
    let started: serde_json::Value = serde_json::from_slice(&frames(&reply.body)[0].1).unwrap();
    assert_eq!(started["tag"], "stays");
    let again = link.ask(Method::POST, "/v1/exec", &frame(1, detached.to_string().as_bytes())).await;
    assert_eq!(again.code(), "exists");

    let (response, mut stream) = link.open(Method::POST, "/v1/exec").await;
    let attached = json!({ "cmd": "sleep", "args": ["100"], "cwd": "/" });
    stream.send_data(frame(1, attached.to_string().as_bytes()).into(), true).unwrap();
    let mut body = response.await.unwrap().into_body();
    let first = frames(&body.data().await.unwrap().unwrap());
    let pid = serde_json::from_slice::<serde_json::Value>(&first[0].1).unwrap()["pid"].as_i64().unwrap();
    assert!(is_alive(pid));

    link.cut();
    let mut link = agent.link(&[0xee; 5000]).await;
    eventually("the attached one is gone", || !is_alive(pid)).await;
    let listed = link.ask(Method::GET, "/v1/processes", b"").await.json();
    assert_eq!(listed["processes"][0]["tag"], "stays");
    assert_eq!(listed["processes"].as_array().unwrap().len(), 1);

    let kill = json!({ "signal": "SIGKILL" }).to_string();
    assert_eq!(link.ask(Method::POST, "/v1/processes/stays/signal", kill.as_bytes()).await.status, 204);
    let pid = started["pid"].as_i64().unwrap();
    eventually("it is reaped", || !is_alive(pid)).await;
    assert_eq!(link.ask(Method::POST, "/v1/processes/stays/signal", kill.as_bytes()).await.code(), "not_found");
}

#[tokio::test]
async fn a_host_that_reads_slowly_slows_the_program_and_loses_nothing() {
    let agent = Agent::start("slow").await;
    let mut link = agent.link(b"").await;
    let (response, mut stream) = link.open(Method::POST, "/v1/exec").await;
    let start = shell("head -c 3000000 /dev/zero");
    stream.send_data(frame(1, start.to_string().as_bytes()).into(), true).unwrap();
    let mut body = response.await.unwrap().into_body();
    tokio::time::sleep(std::time::Duration::from_millis(700)).await;
    let mut whole = vec![];
    while let Some(piece) = body.data().await {
        let piece = piece.unwrap();
        body.flow_control().release_capacity(piece.len()).unwrap();
        whole.extend(piece);
    }
    let ran = frames(&whole);
    assert_eq!(output(&ran, 0x82).len(), 3_000_000);
    assert_eq!(end(&ran)["exit_code"], 0);
}

#[tokio::test]
async fn no_ended_child_is_left_unreaped() {
    let agent = Agent::start("reaped").await;
    let mut link = agent.link(b"").await;
    for _ in 0..20 {
        link.exec(json!({ "cmd": "true", "cwd": "/" }), b"").await;
    }
    link.exec(shell("(sleep 0.05 &) ; true"), b"").await;
    let children = format!("/proc/{0}/task/{0}/children", agent.pid());
    eventually("no children are left", || std::fs::read_to_string(&children).unwrap().is_empty()).await;
}
