//! Files, as the host reads and writes them, and the rest of the protocol.

mod support;

use http::Method;
use serde_json::json;
use std::os::unix::fs::PermissionsExt;
use support::Agent;

fn at(path: &str) -> String {
    format!("/v1/files?path={}", path.replace(' ', "%20").replace('+', "%2B"))
}

#[tokio::test]
async fn a_file_is_written_with_its_parents_and_read_back_whole() {
    let agent = Agent::start("write").await;
    let mut link = agent.link(b"").await;
    let content: Vec<u8> = (0..3_000_000u32).map(|i| (i * 7) as u8).collect();
    let path = agent.path("a b/c+d/file");
    assert_eq!(link.ask(Method::PUT, &at(&path), &content).await.status, 204);
    let read = link.ask(Method::GET, &at(&path), b"").await;
    assert!(read.status == 200 && read.body == content);
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o644);
    assert_eq!(link.ask(Method::PUT, &at(&path), b"").await.status, 204);
    assert_eq!(link.ask(Method::GET, &at(&path), b"").await.body, b"");
    assert_eq!(std::fs::read_dir(agent.dir.join("a b/c+d")).unwrap().count(), 1, "nothing is left beside it");
}

#[tokio::test]
async fn a_write_that_breaks_off_leaves_what_was_there() {
    let agent = Agent::start("broken").await;
    let mut link = agent.link(b"").await;
    let path = agent.path("file");
    link.ask(Method::PUT, &at(&path), b"old").await;
    let (response, mut stream) = link.open(Method::PUT, &at(&path)).await;
    stream.send_data("new".into(), false).unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    stream.send_reset(h2::Reason::CANCEL);
    drop(response);
    let names = || {
        std::fs::read_dir(&agent.dir)
            .unwrap()
            .filter(|name| name.as_ref().unwrap().file_name().to_string_lossy().starts_with(".wrenn"))
            .count()
    };
    support::eventually("the half-written one is gone", || names() == 0).await;
    assert_eq!(std::fs::read(&path).unwrap(), b"old");
}

#[tokio::test]
async fn links_are_written_through_and_removed_themselves() {
    let agent = Agent::start("links").await;
    let mut link = agent.link(b"").await;
    let [target, name] = ["target", "link"].map(|name| agent.path(name));
    std::fs::write(&target, "old").unwrap();
    std::os::unix::fs::symlink(&target, &name).unwrap();
    link.ask(Method::PUT, &at(&name), b"new").await;
    assert_eq!(std::fs::read(&target).unwrap(), b"new");
    let listed = link.ask(Method::GET, &format!("/v1/files/stat?path={name}"), b"").await.json();
    assert_eq!((&listed["entry"]["type"], &listed["entry"]["symlink_target"]), (&json!("symlink"), &json!(target)));
    assert_eq!(link.ask(Method::DELETE, &at(&name), b"").await.status, 204);
    assert!(std::fs::exists(&target).unwrap());
}

#[tokio::test]
async fn directories_are_made_listed_and_removed() {
    let agent = Agent::start("directories").await;
    let mut link = agent.link(b"").await;
    let top = agent.path("top");
    let deep = agent.path("top/b/c");
    let made = link.ask(Method::POST, &format!("/v1/files/mkdir?path={deep}"), b"").await.json();
    assert_eq!((&made["entry"]["path"], &made["entry"]["permissions"]), (&json!(deep), &json!("drwxr-xr-x")));
    assert_eq!(link.ask(Method::POST, &format!("/v1/files/mkdir?path={deep}"), b"").await.code(), "exists");
    std::fs::write(agent.path("top/a"), "12345").unwrap();
    let names = |listed: serde_json::Value| -> Vec<String> {
        let entries = listed["entries"].as_array().unwrap().clone();
        entries.iter().map(|entry| entry["path"].as_str().unwrap()[top.len()..].to_owned()).collect()
    };
    let list = |depth: u32| format!("/v1/files/list?path={top}&depth={depth}");
    assert_eq!(names(link.ask(Method::GET, &list(1), b"").await.json()), ["/a", "/b"]);
    assert_eq!(names(link.ask(Method::GET, &list(9), b"").await.json()), ["/a", "/b", "/b/c"]);
    assert_eq!(link.ask(Method::DELETE, &at(&top), b"").await.status, 204);
    assert!(!std::fs::exists(&top).unwrap());
}

fn moved(from: &str, to: &str, more: &str) -> String {
    format!("/v1/files/move?path={from}&to={to}{more}")
}

#[tokio::test]
async fn files_and_directories_move_and_replace_only_when_told() {
    let agent = Agent::start("move").await;
    let mut link = agent.link(b"").await;
    let [a, b, c] = ["a", "x/y/b", "c"].map(|name| agent.path(name));
    std::fs::write(&a, "a").unwrap();
    let reply = link.ask(Method::POST, &moved(&a, &b, ""), b"").await;
    assert_eq!((reply.status, &reply.json()["entry"]["path"]), (200, &json!(b)));
    assert!(!std::fs::exists(&a).unwrap() && std::fs::read(&b).unwrap() == b"a");
    std::fs::create_dir_all(agent.path("c/full")).unwrap();
    assert_eq!(link.ask(Method::POST, &moved(&b, &c, ""), b"").await.code(), "exists");
    assert_eq!(link.ask(Method::POST, &moved(&b, &c, "&overwrite=false"), b"").await.code(), "exists");
    assert_eq!(link.ask(Method::POST, &moved(&b, &c, "&overwrite=true"), b"").await.status, 200);
    assert!(std::fs::read(&c).unwrap() == b"a" && !std::fs::exists(&b).unwrap());
    let x = agent.path("x");
    assert_eq!(link.ask(Method::POST, &moved(&x, &c, "&overwrite=true"), b"").await.status, 200);
    assert!(std::fs::metadata(agent.path("c/y")).unwrap().is_dir() && !std::fs::exists(&x).unwrap());
    for (from, to, code) in [
        (&a, &b, "not_found"),
        (&c, &agent.path("c/y/z"), "invalid"),
        (&agent.path("c/y"), &c, "invalid"),
        (&c, &c, "exists"),
        (&c, &"/".to_owned(), "exists"),
        (&c, &"".to_owned(), "invalid"),
    ] {
        assert_eq!(link.ask(Method::POST, &moved(from, to, ""), b"").await.code(), code, "{from} {to}");
    }
    assert!(std::fs::exists(agent.path("c/y")).unwrap());
}

#[tokio::test]
async fn a_move_to_another_file_system_is_a_copy() {
    let agent = Agent::start("move-far").await;
    let mut link = agent.link(b"").await;
    let far = format!("/dev/shm/wrenn-agent-{}", std::process::id());
    std::fs::create_dir_all(agent.path("from/sub")).unwrap();
    std::fs::write(agent.path("from/sub/file"), "content").unwrap();
    let from = agent.path("from");
    for _ in 0..2 {
        assert_eq!(link.ask(Method::POST, &moved(&from, &far, ""), b"").await.status, 200);
        assert!(!std::fs::exists(&from).unwrap());
        assert_eq!(std::fs::read(format!("{far}/sub/file")).unwrap(), b"content");
        std::fs::create_dir(&from).unwrap();
        assert_eq!(link.ask(Method::POST, &moved(&from, &far, ""), b"").await.code(), "exists");
        assert_eq!(link.ask(Method::POST, &moved(&far, &from, "&overwrite=true"), b"").await.status, 200);
    }
    assert!(!std::fs::exists(&far).unwrap());
    assert_eq!(std::fs::read_dir(&agent.dir).unwrap().count(), 3, "nothing is left beside");
}

#[tokio::test]
async fn depth_is_no_danger() {
    let agent = Agent::start("depth").await;
    let mut link = agent.link(b"").await;
    let top = agent.path("d");
    let made = link.ask(Method::POST, &format!("/v1/files/mkdir?path={top}{}", "/d".repeat(1800)), b"").await;
    assert_eq!(made.status, 200);
    let listed = link.ask(Method::GET, &format!("/v1/files/list?path={top}&depth=4000000000"), b"").await.json();
    assert_eq!(listed["entries"].as_array().unwrap().len(), 1800);
    assert_eq!(link.ask(Method::DELETE, &at(&top), b"").await.status, 204);
}

#[tokio::test]
async fn what_is_wrong_with_a_path_has_its_code() {
    let agent = Agent::start("errors").await;
    let mut link = agent.link(b"").await;
    let file = agent.path("file");
    std::fs::write(&file, "x").unwrap();
    let inside = format!("{file}/inside");
    let missing = agent.path("missing");
    for (method, path, code) in [
        (Method::GET, at(&missing), "not_found"),
        (Method::GET, at("/etc"), "is_directory"),
        (Method::GET, at(&inside), "not_directory"),
        (Method::PUT, at("/etc"), "is_directory"),
        (Method::PUT, at(&inside), "not_directory"),
        (Method::DELETE, at(&missing), "not_found"),
        (Method::DELETE, at("/"), "invalid"),
        (Method::DELETE, at("/../"), "invalid"),
        (Method::GET, "/v1/files".to_owned(), "invalid"),
        (Method::GET, at("%00"), "invalid"),
        (Method::GET, format!("/v1/files/list?path={file}"), "not_directory"),
        (Method::GET, format!("/v1/files/list?path={missing}"), "not_found"),
        (Method::POST, format!("/v1/files/mkdir?path={inside}"), "not_directory"),
        (Method::GET, "/v1/nothing".to_owned(), "invalid"),
    ] {
        let reply = link.ask(method.clone(), &path, b"").await;
        assert_eq!(reply.code(), code, "{method} {path}");
    }
}

#[tokio::test]
async fn made_up_files_are_read_to_their_end_and_devices_are_written_in_place() {
    let agent = Agent::start("devices").await;
    let mut link = agent.link(b"").await;
    assert!(link.ask(Method::GET, &at("/proc/version"), b"").await.body.starts_with(b"Linux"));
    assert_eq!(link.ask(Method::PUT, &at("/dev/null"), b"anything").await.status, 204);
    assert!(!std::fs::metadata("/dev/null").unwrap().is_file());
}

#[tokio::test]
async fn metrics_are_plausible_and_the_ticks_move_on() {
    let agent = Agent::start("metrics").await;
    let mut link = agent.link(b"").await;
    let first = link.ask(Method::GET, "/v1/metrics", b"").await.json();
    let number = |metrics: &serde_json::Value, at: &str| metrics.pointer(at).unwrap().as_f64().unwrap();
    for (less, more) in [("/cpu/busy", "/cpu/total"), ("/memory/used", "/memory/total"), ("/disk/used", "/disk/total")]
    {
        assert!(0.0 < number(&first, less) && number(&first, less) < number(&first, more), "{less}");
    }
    assert!(number(&first, "/processes") > 1.0 && number(&first, "/cpu/count") >= 1.0);
    assert_eq!(first["load"].as_array().unwrap().len(), 3);
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    let second = link.ask(Method::GET, "/v1/metrics", b"").await.json();
    assert!(number(&second, "/cpu/total") > number(&first, "/cpu/total"));
}

#[tokio::test]
async fn health_and_renewal_answer_and_a_foreign_machine_is_left_alone() {
    let agent = Agent::start("health").await;
    let mut link = agent.link(b"GET / HTTP/1.1\r\n\r\n").await;
    let health = link.ask(Method::GET, "/v1/health", b"").await.json();
    assert_eq!(health["protocol"], 2);
    assert_eq!(link.ask(Method::POST, "/v1/prepare", &[0; 100_000]).await.json(), json!({ "hooks": [] }));
    let renewal = json!({
        "seed": "A".repeat(88), "unix_time_ns": "0", "hostname": "other", "machine_id": "0".repeat(32),
        "capsule_id": "cl-1", "template": "minimal",
    });
    let renewed = link.ask(Method::POST, "/v1/renew", renewal.to_string().as_bytes()).await;
    assert_eq!(renewed.json()["renewed"], json!([]));
    assert_eq!(link.ask(Method::POST, "/v1/renew", b"{").await.code(), "invalid");
}
