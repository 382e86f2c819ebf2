//! The host's side of the protocol, for tests: starts the agent, links, and asks.

// Each test file is a program of its own that uses a part of this.
#![allow(dead_code)]

pub mod mutate;

use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::Duration;

use bytes::{Buf, Bytes};
use h2::client::SendRequest;
use http::{Method, Request};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(10);

/// An agent that runs, with a directory of its own; both go at the end.
pub struct Agent {
    pub dir: PathBuf,
    child: Child,
}

impl Agent {
    pub async fn start(name: &str) -> Agent {
        Agent::start_with(name, |_| ()).await.unwrap()
    }

    /// Starts it in its own way.
    pub async fn start_with(name: &str, prepare: impl FnOnce(&mut Command)) -> std::io::Result<Agent> {
        let dir = std::env::temp_dir().join(format!("wrenn-agent-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let [control, data] = ["control", "data"].map(|port| dir.join(port));
        let program = env!("CARGO_BIN_EXE_wrenn-agent");
        let mut command = Command::new(program);
        command.arg("serve").arg("--control").arg(&control).arg("--data").arg(&data);
        prepare(&mut command);
        let child = command.spawn()?;
        let agent = Agent { dir, child };
        eventually("the agent listens", || agent.dir.join("data").exists()).await;
        Ok(agent)
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn path(&self, name: &str) -> String {
        self.dir.join(name).to_string_lossy().into_owned()
    }

    /// Links, with `old` standing in the data port before the marker.
    pub async fn link(&self, old: &[u8]) -> Link {
        timeout(PATIENCE, self.try_link(old)).await.expect("the agent links in time")
    }

    async fn try_link(&self, old: &[u8]) -> Link {
        let Begun { stream: data, _control } = self.begin_behind(old).await;
        let (send, connection) = h2::client::Builder::new()
            // Programs that write line by line send many small pieces, and tests let them wait.
            .data_frame_budget(1 << 30)
            .handshake(data)
            .await
            .unwrap();
        let task = tokio::spawn(async move {
            let _ = connection.await;
        });
        Link { send, task, _control }
    }

    /// Begins a connection, on which nothing is said yet.
    pub async fn begin(&self) -> Begun {
        timeout(PATIENCE, self.begin_behind(b"")).await.expect("the agent links in time")
    }

    async fn begin_behind(&self, old: &[u8]) -> Begun {
        let marker = [0x5a; 16];
        // Only where something is to stand in it: a connection before this one may still wait for its marker, and would
        // take a stream that is there too early.
        let mut early = None;
        if !old.is_empty() {
            let mut stream = connect(self.dir.join("data")).await;
            stream.write_all(old).await.unwrap();
            early = Some(stream);
        }
        let mut control = connect(self.dir.join("control")).await;
        control.write_all(format!("\nlink {}\n", "5a".repeat(16)).as_bytes()).await.unwrap();
        let mut ready = [0; 39];
        control.read_exact(&mut ready).await.unwrap();
        assert_eq!(ready, *format!("ready {}\n", "5a".repeat(16)).as_bytes());
        let mut stream = match early {
            Some(stream) => stream,
            None => connect(self.dir.join("data")).await,
        };
        stream.write_all(&marker).await.unwrap();
        let mut answer = [0; 16];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(answer, marker);
        Begun { stream, _control: control }
    }
}

/// Connects; a socket that has its name already may take a moment until it listens.
async fn connect(path: PathBuf) -> UnixStream {
    loop {
        match UnixStream::connect(&path).await {
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            connected => return connected.unwrap(),
        }
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

/// A connection behind its marker.
pub struct Begun {
    pub stream: UnixStream,
    _control: UnixStream,
}

pub struct Link {
    send: SendRequest<Bytes>,
    task: tokio::task::JoinHandle<()>,
    _control: UnixStream,
}

/// An answer's status and body. A body that is reset in the middle is told apart.
pub struct Reply {
    pub status: u16,
    pub body: Vec<u8>,
    pub was_reset: bool,
}

impl Reply {
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    pub fn code(&self) -> String {
        self.json()["error"]["code"].as_str().unwrap_or("").to_owned()
    }
}

/// One frame of an exec's answer.
pub type Frame = (u8, Vec<u8>);

impl Link {
    pub async fn ask(&mut self, method: Method, path: &str, body: &[u8]) -> Reply {
        timeout(PATIENCE, self.try_ask(method, path, body)).await.expect("the agent answers in time")
    }

    async fn try_ask(&mut self, method: Method, path: &str, body: &[u8]) -> Reply {
        let (response, mut stream) = self.open(method, path).await;
        send_all(&mut stream, body).await;
        let response = response.await.unwrap();
        let status = response.status().as_u16();
        let mut content = response.into_body();
        let mut reply = Reply { status, body: vec![], was_reset: false };
        while let Some(piece) = content.data().await {
            let Ok(piece) = piece else {
                reply.was_reset = true;
                break;
            };
            content.flow_control().release_capacity(piece.len()).unwrap();
            reply.body.extend(piece);
        }
        reply
    }

    pub async fn open(&mut self, method: Method, path: &str) -> (h2::client::ResponseFuture, h2::SendStream<Bytes>) {
        let request = Request::builder().method(method).uri(format!("http://agent{path}")).body(()).unwrap();
        self.send.clone().ready().await.unwrap().send_request(request, false).unwrap()
    }

    /// Runs a program to its end; `input` is its stdin.
    pub async fn exec(&mut self, start: serde_json::Value, input: &[u8]) -> Vec<Frame> {
        let mut body = frame(1, start.to_string().as_bytes());
        if !input.is_empty() {
            body.extend(frame(2, input));
        }
        let reply = self.ask(Method::POST, "/v1/exec", &body).await;
        assert_eq!(reply.status, 200, "{}", String::from_utf8_lossy(&reply.body));
        frames(&reply.body)
    }

    /// Breaks the connection off.
    pub fn cut(self) {
        self.task.abort();
    }
}

/// One request and its answer, piece by piece, both in the test's hand.
pub struct Stream {
    send: h2::SendStream<Bytes>,
    response: Option<h2::client::ResponseFuture>,
    body: Option<h2::RecvStream>,
    buffered: Vec<u8>,
}

impl Stream {
    pub async fn open(link: &mut Link, method: Method, path: &str) -> Stream {
        let (response, send) = link.open(method, path).await;
        Stream { send, response: Some(response), body: None, buffered: vec![] }
    }

    /// Sends, however little room there is.
    pub fn send(&mut self, bytes: &[u8]) {
        self.send.send_data(Bytes::copy_from_slice(bytes), false).unwrap();
    }

    /// Sends, unless the stream has ended.
    pub fn offer(&mut self, bytes: &[u8]) {
        let _ = self.send.send_data(Bytes::copy_from_slice(bytes), false);
    }

    pub fn end(&mut self) {
        self.send.send_data(Bytes::new(), true).unwrap();
    }

    pub fn reset(mut self) {
        self.send.send_reset(h2::Reason::CANCEL);
    }

    pub async fn status(&mut self) -> u16 {
        let response = timeout(PATIENCE, self.response.take().unwrap()).await.expect("an answer in time").unwrap();
        let status = response.status().as_u16();
        self.body = Some(response.into_body());
        status
    }

    /// The next bytes; none at the end, an error when the stream is reset.
    pub async fn piece(&mut self) -> Option<Result<Bytes, h2::Error>> {
        if self.body.is_none() {
            self.status().await;
        }
        let body = self.body.as_mut().unwrap();
        loop {
            let piece = timeout(PATIENCE, body.data()).await.expect("a piece in time");
            match &piece {
                // Only carries the end.
                Some(Ok(piece)) if piece.is_empty() => continue,
                Some(Ok(piece)) => body.flow_control().release_capacity(piece.len()).unwrap(),
                _ => {}
            }
            return piece;
        }
    }

    /// The next frame.
    pub async fn frame(&mut self) -> Frame {
        loop {
            if let Some(found) = frames(&self.buffered).into_iter().next() {
                self.buffered.drain(..5 + found.1.len());
                return found;
            }
            let piece = self.piece().await.expect("a frame").unwrap();
            self.buffered.extend(piece);
        }
    }

    /// The next line.
    pub async fn line(&mut self) -> String {
        loop {
            if let Some(end) = self.buffered.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.buffered.drain(..=end).collect();
                return String::from_utf8(line).unwrap().trim_end().to_owned();
            }
            let piece = self.piece().await.expect("a line").unwrap();
            self.buffered.extend(piece);
        }
    }

    /// All frames that still come.
    pub async fn rest(&mut self) -> Vec<Frame> {
        while let Some(piece) = self.piece().await {
            self.buffered.extend(piece.unwrap());
        }
        frames(&self.buffered)
    }
}

pub async fn send_all(stream: &mut h2::SendStream<Bytes>, body: &[u8]) {
    let mut rest = body;
    while !rest.is_empty() {
        stream.reserve_capacity(rest.len());
        let Some(Ok(room)) = std::future::poll_fn(|cx| stream.poll_capacity(cx)).await else { return };
        let (now, later) = rest.split_at(room.min(rest.len()));
        stream.send_data(Bytes::copy_from_slice(now), false).unwrap();
        rest = later;
    }
    stream.send_data(Bytes::new(), true).unwrap();
}

pub fn frame(kind: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![kind];
    bytes.extend((payload.len() as u32).to_be_bytes());
    bytes.extend(payload);
    bytes
}

pub fn frames(mut bytes: &[u8]) -> Vec<Frame> {
    let mut found = vec![];
    while bytes.len() >= 5 {
        let length = u32::from_be_bytes(bytes[1..5].try_into().unwrap()) as usize;
        if bytes.len() < 5 + length {
            break;
        }
        let kind = bytes.get_u8();
        bytes.advance(4);
        found.push((kind, bytes[..length].to_vec()));
        bytes.advance(length);
    }
    found
}

/// All that a program wrote to one of its streams.
pub fn output(frames: &[Frame], kind: u8) -> String {
    let bytes: Vec<u8> = frames.iter().filter(|(k, _)| *k == kind).flat_map(|(_, payload)| payload.clone()).collect();
    String::from_utf8(bytes).unwrap()
}

/// How a program ended: the last frame.
pub fn end(frames: &[Frame]) -> serde_json::Value {
    let (kind, payload) = frames.last().expect("frames");
    assert_eq!(*kind, 0x84);
    serde_json::from_slice(payload).unwrap()
}

/// Whether a process is alive; one that has ended and is not reaped counts as alive.
pub fn is_alive(pid: i64) -> bool {
    PathBuf::from(format!("/proc/{pid}")).exists()
}

/// Waits until a condition holds.
pub async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..500 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it never came to be: {what}");
}
