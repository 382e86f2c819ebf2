//! What makes a capsule its own, as far as that can be tried on a machine that is none: names for programs, and hooks.

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Instant;

use http::Method;
use serde_json::{Value, json};
use support::{Agent, Link, eventually, is_alive, output};

const SEED: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

async fn start(name: &str) -> Agent {
    let etc = std::env::temp_dir().join(format!("wrenn-agent-{name}-{}/etc", std::process::id()));
    let agent = Agent::start_with(name, |command| {
        command.arg("--etc").arg(&etc);
    })
    .await
    .unwrap();
    for folder in ["before-snapshot.d", "after-restore.d"] {
        fs::create_dir_all(etc.join("wrenn").join(folder)).unwrap();
    }
    agent
}

fn hook(agent: &Agent, name: &str, script: &str) {
    let path = agent.dir.join("etc/wrenn").join(name);
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
}

async fn renew(link: &mut Link, capsule: &str) -> Value {
    let asked = json!({
        "seed": SEED, "unix_time_ns": "1", "hostname": capsule, "machine_id": "0".repeat(32),
        "capsule_id": capsule, "template": "a template",
    });
    let answer = link.ask(Method::POST, "/v1/renew", asked.to_string().as_bytes()).await;
    assert_eq!(answer.status, 200, "{}", answer.code());
    answer.json()
}

async fn hooks(link: &mut Link, path: &str) -> Vec<Value> {
    let answer = link.ask(Method::POST, path, b"").await;
    assert_eq!(answer.status, 200, "{}", answer.code());
    answer.json()["hooks"].as_array().unwrap().clone()
}

#[tokio::test]
async fn a_machine_that_is_no_capsule_is_left_alone() {
    let agent = Agent::start("foreign").await;
    let mut link = agent.link(b"").await;
    let told = renew(&mut link, "cl-1").await;
    assert_eq!((&told["renewed"], &told["has_hooks"]), (&json!([]), &json!(false)));
    let now = link.ask(Method::GET, "/v1/clock", b"").await.json()["unix_time_ns"].as_str().unwrap().len();
    assert_eq!(now, 19);
    let correction = json!({ "by_ns": "1000", "how": "step" }).to_string();
    assert_eq!(link.ask(Method::POST, "/v1/clock", correction.as_bytes()).await.code(), "denied");
    assert!(hooks(&mut link, "/v1/prepare").await.is_empty());
}

#[tokio::test]
async fn programs_are_told_whose_they_are_unless_they_are_told_otherwise() {
    let agent = start("whose").await;
    let mut link = agent.link(b"").await;
    let script = "echo ${WRENN_CAPSULE_ID-none} ${WRENN_TEMPLATE-none}";
    let mut asked = json!({ "cmd": "sh", "args": ["-c", script], "cwd": "/" });
    assert_eq!(output(&link.exec(asked.clone(), b"").await, 0x82), "none none\n");
    renew(&mut link, "cl-1").await;
    assert_eq!(output(&link.exec(asked.clone(), b"").await, 0x82), "cl-1 a template\n");
    renew(&mut link, "cl-2").await;
    asked["envs"] = json!({ "WRENN_TEMPLATE": "mine" });
    assert_eq!(output(&link.exec(asked, b"").await, 0x82), "cl-2 mine\n");
}

#[tokio::test]
async fn hooks_run_in_order_and_are_told_with_the_end_of_their_output() {
    let agent = start("hooks").await;
    let mut link = agent.link(b"").await;
    hook(&agent, "after-restore.d/20-second", "echo $WRENN_HOOK $WRENN_CAPSULE_ID; cat; exit 3");
    hook(&agent, "after-restore.d/10-first", "head -c 20000 /dev/zero | tr '\\0' x; echo end; kill -9 $$");
    hook(&agent, "after-restore.d/30-third", "pwd >&2");
    hook(&agent, "after-restore.d/.hidden", "exit 0");
    fs::write(agent.dir.join("etc/wrenn/after-restore.d/40-plain"), "exit 0").unwrap();
    assert_eq!(renew(&mut link, "cl-1").await["has_hooks"], true);
    let results = hooks(&mut link, "/v1/after-restore").await;
    let short: Vec<_> =
        results.iter().map(|hook| (hook["name"].as_str().unwrap(), hook["exit_code"].as_i64())).collect();
    assert_eq!(short, [("10-first", Some(-1)), ("20-second", Some(3)), ("30-third", Some(0))]);
    let first = results[0]["output"].as_str().unwrap();
    assert!(first.len() == 4096 && first.ends_with("xend\n"), "{}", first.len());
    assert_eq!((&results[1]["output"], &results[2]["output"]), (&json!("20-second cl-1\n"), &json!("/\n")));
    let listed = link.ask(Method::GET, "/v1/processes?ended=true", b"").await.json();
    assert_eq!((&listed["processes"], &listed["ended"]), (&json!([]), &json!([])));
}

#[tokio::test]
async fn before_a_snapshot_the_first_that_fails_is_the_last() {
    let agent = start("before").await;
    let mut link = agent.link(b"").await;
    let mark = agent.path("mark");
    hook(&agent, "before-snapshot.d/1", "exit 0");
    hook(&agent, "before-snapshot.d/2", "echo no; exit 5");
    hook(&agent, "before-snapshot.d/3", &format!("touch {mark}"));
    let results = hooks(&mut link, "/v1/prepare").await;
    assert_eq!(results.len(), 2);
    assert_eq!((&results[1]["exit_code"], &results[1]["output"]), (&json!(5), &json!("no\n")));
    assert!(!fs::exists(&mark).unwrap());
    // Cannot be started: that is its result too.
    fs::write(agent.dir.join("etc/wrenn/before-snapshot.d/1"), "#!/nowhere/sh\n").unwrap();
    let results = hooks(&mut link, "/v1/prepare").await;
    assert_eq!((results.len(), &results[0]["exit_code"], &results[0]["timed_out"]), (1, &Value::Null, &json!(false)));
}

#[tokio::test]
async fn a_hook_that_does_not_end_is_killed_with_all_that_it_started() {
    let agent = start("late").await;
    let mut link = agent.link(b"").await;
    let pids = agent.path("pids");
    hook(&agent, "after-restore.d/1", &format!("sleep 70 & echo $! >{pids}; exit 0"));
    hook(&agent, "after-restore.d/2", &format!("sleep 80 & echo $! >>{pids}; wait"));
    let asked = Instant::now();
    let (response, mut stream) = link.open(Method::POST, "/v1/after-restore").await;
    stream.send_data(Default::default(), true).unwrap();
    let mut body = response.await.unwrap().into_body();
    let told: Value = serde_json::from_slice(&body.data().await.unwrap().unwrap()).unwrap();
    assert!(asked.elapsed().as_secs() < 15);
    let [first, second] = [&told["hooks"][0], &told["hooks"][1]];
    assert_eq!((&first["exit_code"], &first["timed_out"]), (&json!(0), &json!(false)));
    assert_eq!((&second["exit_code"], &second["timed_out"]), (&Value::Null, &json!(true)));
    for pid in fs::read_to_string(&pids).unwrap().lines() {
        eventually("what it started is gone", || !is_alive(pid.parse().unwrap())).await;
    }
}
