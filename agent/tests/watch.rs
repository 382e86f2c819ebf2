//! Directories that are watched.

mod support;

use std::fs;

use http::Method;
use serde_json::{Value, json};
use support::{Agent, Link, Stream};

async fn watch(link: &mut Link, agent: &Agent, name: &str, more: &str) -> Stream {
    let path = agent.path(name);
    let mut stream = Stream::open(link, Method::GET, &format!("/v1/files/watch?path={path}{more}")).await;
    assert_eq!(stream.status().await, 200);
    stream
}

/// The next change, with its paths from the agent's directory on.
async fn change(stream: &mut Stream, agent: &Agent) -> String {
    let line: Value = serde_json::from_str(&stream.line().await).unwrap();
    let short =
        |key: &str| line[key].as_str().map_or("", |path| path.strip_prefix(&agent.path("")).unwrap()).to_owned();
    [line["type"].as_str().unwrap(), &short("path"), &short("from")].join(" ").trim_end().to_owned()
}

/// Reads changes until this one; returns all.
async fn until(stream: &mut Stream, agent: &Agent, last: &str) -> Vec<String> {
    let mut seen = vec![];
    while seen.last().map(String::as_str) != Some(last) {
        seen.push(change(stream, agent).await);
    }
    seen
}

#[tokio::test]
async fn changes_are_told_in_their_order() {
    let agent = Agent::start("watch").await;
    let mut link = agent.link(b"").await;
    fs::create_dir_all(agent.path("top/old")).unwrap();
    fs::create_dir(agent.path("other")).unwrap();
    let mut stream = watch(&mut link, &agent, "top", "").await;
    fs::write(agent.path("top/a"), "x").unwrap();
    assert_eq!(until(&mut stream, &agent, "modified top/a").await[0], "created top/a");
    fs::rename(agent.path("top/a"), agent.path("top/b")).unwrap();
    assert_eq!(until(&mut stream, &agent, "moved top/b top/a").await.len(), 1);
    fs::rename(agent.path("top/b"), agent.path("other/b")).unwrap();
    assert_eq!(change(&mut stream, &agent).await, "removed top/b");
    fs::rename(agent.path("other/b"), agent.path("top/c")).unwrap();
    assert_eq!(change(&mut stream, &agent).await, "created top/c");
    fs::write(agent.path("top/old/below"), "not told").unwrap();
    fs::remove_file(agent.path("top/c")).unwrap();
    assert_eq!(change(&mut stream, &agent).await, "removed top/c");
    fs::remove_dir_all(agent.path("top")).unwrap();
    until(&mut stream, &agent, "removed top").await;
    assert!(stream.piece().await.is_none(), "there is nothing more to watch");
}

#[tokio::test]
async fn a_recursive_watch_follows_directories_as_they_come_move_and_go() {
    let agent = Agent::start("watch-deep").await;
    let mut link = agent.link(b"").await;
    fs::create_dir_all(agent.path("top/a/b")).unwrap();
    fs::create_dir(agent.path("away")).unwrap();
    let mut stream = watch(&mut link, &agent, "top", "&recursive=true").await;
    fs::write(agent.path("top/a/b/file"), "x").unwrap();
    until(&mut stream, &agent, "modified top/a/b/file").await;
    fs::create_dir_all(agent.path("top/new/deep/er")).unwrap();
    let seen = until(&mut stream, &agent, "created top/new/deep/er").await;
    assert!(seen.contains(&"created top/new/deep".to_owned()));
    // Now it is watched.
    fs::write(agent.path("top/new/deep/er/file"), "x").unwrap();
    until(&mut stream, &agent, "modified top/new/deep/er/file").await;
    fs::rename(agent.path("top/new"), agent.path("top/a/moved")).unwrap();
    until(&mut stream, &agent, "moved top/a/moved top/new").await;
    fs::write(agent.path("top/a/moved/deep/er/file"), "y").unwrap();
    until(&mut stream, &agent, "modified top/a/moved/deep/er/file").await;
    fs::rename(agent.path("top/a/moved"), agent.path("away/moved")).unwrap();
    until(&mut stream, &agent, "removed top/a/moved").await;
    fs::write(agent.path("away/moved/deep/er/file"), "not told").unwrap();
    fs::write(agent.path("top/end"), "").unwrap();
    let seen = until(&mut stream, &agent, "created top/end").await;
    assert!(seen.iter().all(|change| !change.contains("moved")), "{seen:?}");
}

#[tokio::test]
async fn a_watcher_that_does_not_read_is_told_that_it_missed_something() {
    let agent = Agent::start("watch-overflow").await;
    let mut link = agent.link(b"").await;
    fs::create_dir(agent.path("top")).unwrap();
    let mut stream = watch(&mut link, &agent, "top", "&recursive=true").await;
    let most: usize = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").unwrap().trim().parse().unwrap();
    for i in 0..most + 10_000 {
        fs::write(agent.path(&format!("top/{}-{i}", "n".repeat(150))), "").unwrap();
    }
    until(&mut stream, &agent, "overflow").await;
    fs::create_dir(agent.path("top/after")).unwrap();
    until(&mut stream, &agent, "created top/after").await;
}

#[tokio::test]
async fn what_cannot_be_watched_says_why_and_a_watch_that_is_left_is_over() {
    let agent = Agent::start("watch-not").await;
    let mut link = agent.link(b"").await;
    fs::write(agent.path("file"), "").unwrap();
    for (name, code) in [("missing", "not_found"), ("file", "not_directory")] {
        let reply = link.ask(Method::GET, &format!("/v1/files/watch?path={}", agent.path(name)), b"").await;
        assert_eq!(reply.code(), code);
    }
    let descriptors = || fs::read_dir(format!("/proc/{}/fd", agent.pid())).unwrap().count();
    let before = descriptors();
    let streams = [watch(&mut link, &agent, "", "").await, watch(&mut link, &agent, "", "&recursive=true").await];
    assert!(descriptors() > before);
    drop(streams);
    support::eventually("their descriptors are closed", || descriptors() == before).await;
    assert_eq!(json!(link.ask(Method::GET, "/v1/health", b"").await.status), json!(200));
}
