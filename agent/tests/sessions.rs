//! Sessions: programs whose output is kept, that are attached to, written to, and outlive their streams.

mod support;

use http::Method;
use serde_json::{Value, json};
use support::{Agent, Link, Stream, end, eventually, frame, is_alive, output};

fn shell(script: &str) -> Value {
    json!({ "cmd": "sh", "args": ["-c", script], "cwd": "/" })
}

fn detached(script: &str, more: Value) -> Value {
    let mut start = shell(script);
    start["detached"] = true.into();
    start.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    start
}

/// Starts a detached program and returns what `started` says.
async fn start(link: &mut Link, start: Value) -> Value {
    let ran = link.exec(start, b"").await;
    assert_eq!((ran.len(), ran[0].0), (1, 0x81));
    serde_json::from_slice(&ran[0].1).unwrap()
}

async fn replay(link: &mut Link, selector: &str, query: &str) -> Vec<support::Frame> {
    let reply = link.ask(Method::GET, &format!("/v1/processes/{selector}/output{query}"), b"").await;
    assert_eq!(reply.status, 200, "{}", String::from_utf8_lossy(&reply.body));
    support::frames(&reply.body)
}

fn position(frames: &[support::Frame]) -> Value {
    assert_eq!(frames[0].0, 0x85);
    serde_json::from_slice(&frames[0].1).unwrap()
}

#[tokio::test]
async fn the_output_of_a_detached_program_is_kept_and_replayed_from_any_offset() {
    let agent = Agent::start("replay").await;
    let mut link = agent.link(b"").await;
    let started = start(&mut link, detached("echo one; echo two >&2; sleep 0.1; echo three; exit 4", json!({}))).await;
    let id = started["id"].as_str().unwrap();
    assert!(id.starts_with("exec-") && id.len() == 21);
    assert!(started["tag"].as_str().unwrap().starts_with("proc-"));
    let live = replay(&mut link, id, "").await;
    assert_eq!(
        position(&live),
        json!({ "id": id, "pid": started["pid"], "tag": started["tag"], "offset": 0, "dropped": false })
    );
    assert_eq!((output(&live, 0x82).as_str(), output(&live, 0x83).as_str()), ("one\nthree\n", "two\n"));
    assert_eq!(end(&live)["exit_code"], 4);
    for selector in [id, &started["pid"].to_string(), started["tag"].as_str().unwrap()] {
        let rest = replay(&mut link, selector, "?from=10").await;
        assert_eq!((output(&rest, 0x82).as_str(), &position(&rest)["offset"]), ("ree\n", &json!(10)));
        assert_eq!(end(&rest)["exit_code"], 4);
    }
    assert_eq!(output(&replay(&mut link, id, "?tail=3").await, 0x82), "ee\n");
    let listed = link.ask(Method::GET, "/v1/processes?ended=true", b"").await.json();
    assert_eq!(listed["processes"], json!([]));
    assert_eq!((&listed["ended"][0]["id"], &listed["ended"][0]["exit_code"]), (&json!(id), &json!(4)));
}

#[tokio::test]
async fn without_a_reader_the_oldest_is_dropped_and_the_program_never_waits() {
    let agent = Agent::start("drops").await;
    let mut link = agent.link(b"").await;
    let script = "head -c 3000000 /dev/zero; echo end";
    let started = start(&mut link, detached(script, json!({ "log_bytes": 65536, "tag": "loud" }))).await;
    eventually("it ends", || !is_alive(started["pid"].as_i64().unwrap())).await;
    let rest = replay(&mut link, "loud", "?from=5").await;
    let at = position(&rest);
    assert_eq!(at["dropped"], true);
    let kept = output(&rest, 0x82);
    assert!(kept.ends_with("end\n") && kept.len() <= 65536);
    assert_eq!(at["offset"].as_u64().unwrap() as usize + kept.len(), 3_000_004);
}

#[tokio::test]
async fn the_slowest_of_several_readers_loses_nothing() {
    let agent = Agent::start("slowest").await;
    let mut link = agent.link(b"").await;
    let script = "read go; i=0; while [ $i -lt 60000 ]; do echo line $i; i=$((i+1)); done";
    start(&mut link, detached(script, json!({ "stdin": true, "tag": "many", "log_bytes": 65536 }))).await;
    let mut slow = Stream::open(&mut link, Method::GET, "/v1/processes/many/output").await;
    assert_eq!(slow.frame().await.0, 0x85);
    let mut fast = Stream::open(&mut link, Method::GET, "/v1/processes/many/output").await;
    assert_eq!(link.ask(Method::POST, "/v1/processes/many/stdin", b"go\n").await.status, 204);
    let rush = tokio::spawn(async move { fast.rest().await });
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    assert!(!rush.is_finished(), "the slow one holds the program up");
    let seen = [output(&slow.rest().await, 0x82), output(&rush.await.unwrap(), 0x82)];
    let expected: String = (0..60000).map(|i| format!("line {i}\n")).collect();
    assert!(seen.iter().all(|seen| *seen == expected));
}

#[tokio::test]
async fn a_kept_program_survives_its_stream_and_goes_on_from_the_offset() {
    let agent = Agent::start("kept").await;
    let mut link = agent.link(b"").await;
    let mut kept = shell("echo before; read line; echo got $line; read more || echo eof");
    kept["on_disconnect"] = "keep".into();
    let mut stream = Stream::open(&mut link, Method::POST, "/v1/exec").await;
    stream.send(&frame(1, kept.to_string().as_bytes()));
    let started: Value = serde_json::from_slice(&stream.frame().await.1).unwrap();
    assert_eq!(stream.frame().await, (0x82, b"before\n".to_vec()));
    link.cut();

    let mut link = agent.link(b"").await;
    let id = started["id"].as_str().unwrap();
    assert!(is_alive(started["pid"].as_i64().unwrap()));
    assert_eq!(link.ask(Method::POST, &format!("/v1/processes/{id}/stdin"), b"this\n").await.status, 204);
    assert_eq!(link.ask(Method::POST, &format!("/v1/processes/{id}/stdin/end"), b"").await.status, 204);
    let rest = replay(&mut link, id, "?from=7").await;
    assert_eq!(output(&rest, 0x82), "got this\neof\n");
    assert_eq!(link.ask(Method::POST, &format!("/v1/processes/{id}/stdin"), b"x").await.code(), "not_found");
}

#[tokio::test]
async fn a_reset_stream_ends_an_attached_program_and_keeps_a_kept_ones_stdin_open() {
    let agent = Agent::start("reset").await;
    let mut link = agent.link(b"").await;
    for (mode, survives) in [("kill", false), ("keep", true)] {
        let mut start = shell("cat");
        start["on_disconnect"] = mode.into();
        let mut stream = Stream::open(&mut link, Method::POST, "/v1/exec").await;
        stream.send(&frame(1, start.to_string().as_bytes()));
        let started: Value = serde_json::from_slice(&stream.frame().await.1).unwrap();
        stream.reset();
        let pid = started["pid"].as_i64().unwrap();
        if survives {
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            assert_eq!(link.ask(Method::POST, &format!("/v1/processes/{pid}/stdin"), b"x").await.status, 204);
            assert_eq!(link.ask(Method::POST, &format!("/v1/processes/{pid}/stdin/end"), b"").await.status, 204);
            assert_eq!(output(&replay(&mut link, &pid.to_string(), "").await, 0x82), "x");
        }
        eventually("it has ended", || !is_alive(pid)).await;
    }
}

#[tokio::test]
async fn stdin_of_a_program_that_does_not_read_waits_and_ends_with_it() {
    let agent = Agent::start("stdin-waits").await;
    let mut link = agent.link(b"").await;
    start(&mut link, detached("sleep 100", json!({ "stdin": true, "tag": "deaf" }))).await;
    start(&mut link, detached("sleep 100", json!({ "tag": "none" }))).await;
    assert_eq!(link.ask(Method::POST, "/v1/processes/none/stdin", b"").await.code(), "closed");
    let mut stream = Stream::open(&mut link, Method::POST, "/v1/processes/deaf/stdin").await;
    stream.send(&vec![b'x'; 60_000]);
    stream.send(&vec![b'x'; 60_000]);
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    let kill = json!({ "signal": "SIGTERM" }).to_string();
    assert_eq!(link.ask(Method::POST, "/v1/processes/deaf/signal", kill.as_bytes()).await.status, 204);
    assert_eq!(stream.status().await, 409);
    assert_eq!(end(&replay(&mut link, "deaf", "").await)["signal"], 15);
}

#[tokio::test]
async fn programs_that_do_not_read_leave_room_for_others() {
    let agent = Agent::start("deaf").await;
    let mut link = agent.link(b"").await;
    let mut streams = vec![];
    for i in 0..20 {
        start(&mut link, detached("sleep 100", json!({ "stdin": true, "tag": format!("deaf{i}") }))).await;
        let mut stream = Stream::open(&mut link, Method::POST, &format!("/v1/processes/deaf{i}/stdin")).await;
        stream.send(&vec![b'x'; 2 << 20]);
        streams.push(stream);
    }
    let mut typed = Stream::open(&mut link, Method::POST, "/v1/processes/deaf0/stdin").await;
    for _ in 0..10_000 {
        typed.send(b"x");
    }
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    let kill = json!({ "signal": "SIGKILL" }).to_string();
    for i in 0..20 {
        assert_eq!(link.ask(Method::POST, &format!("/v1/processes/deaf{i}/signal"), kill.as_bytes()).await.status, 204);
    }
}

#[tokio::test]
async fn what_is_out_of_bounds_is_refused() {
    let agent = Agent::start("bounds").await;
    let mut link = agent.link(b"").await;
    for more in [
        json!({ "log_bytes": 1 }),
        json!({ "log_bytes": 1 << 30 }),
        json!({ "tag": "" }),
        json!({ "on_disconnect": "x" }),
    ] {
        let start = detached("true", more);
        let reply = link.ask(Method::POST, "/v1/exec", &frame(1, start.to_string().as_bytes())).await;
        assert_eq!(reply.code(), "invalid", "{start}");
    }
    assert_eq!(link.ask(Method::GET, "/v1/processes/nothing/output", b"").await.code(), "not_found");
    start(&mut link, detached("true", json!({ "tag": "t" }))).await;
    assert_eq!(link.ask(Method::GET, "/v1/processes/t/output?from=-1", b"").await.code(), "invalid");
}

#[tokio::test]
async fn only_the_newest_ended_are_remembered() {
    let agent = Agent::start("remembered").await;
    let mut link = agent.link(b"").await;
    for i in 0..70 {
        link.exec(json!({ "cmd": "true", "cwd": "/", "tag": format!("t{i}") }), b"").await;
    }
    let listed = link.ask(Method::GET, "/v1/processes?ended=true", b"").await.json();
    assert_eq!(listed["ended"].as_array().unwrap().len(), 64);
    assert_eq!(listed["ended"][63]["tag"], "t69");
    assert_eq!(link.ask(Method::GET, "/v1/processes/t5/output", b"").await.code(), "not_found");
}

#[tokio::test]
async fn a_descendant_that_writes_on_is_not_ended_by_its_pipe() {
    let agent = Agent::start("writes-on").await;
    let mut link = agent.link(b"").await;
    let proof = agent.path("proof");
    let ran = link.exec(shell(&format!("(sleep 0.6; echo late; echo alive > {proof}) & echo now")), b"").await;
    assert_eq!(output(&ran, 0x82), "now\n");
    eventually("it went on", || std::fs::exists(&proof).unwrap()).await;
    let loud = link.exec(shell("yes & echo $!"), b"").await;
    assert_eq!(end(&loud)["exit_code"], 0);
    let pid: i32 = output(&loud, 0x82).lines().next().unwrap().parse().unwrap();
    // SAFETY: the process is ours.
    unsafe { libc::kill(pid, libc::SIGKILL) };
}
