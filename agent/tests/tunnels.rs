//! Tunnels to ports of the guest.

mod support;

use bytes::Bytes;
use http::Method;
use support::{Agent, Stream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

async fn tunnel(agent: &Agent, listener: &TcpListener) -> (support::Link, Stream, tokio::net::TcpStream) {
    let mut link = agent.link(b"").await;
    let port = listener.local_addr().unwrap().port();
    let stream = Stream::open(&mut link, Method::POST, &format!("/v1/tunnels/{port}")).await;
    let (socket, _) = listener.accept().await.unwrap();
    (link, stream, socket)
}

async fn all(stream: &mut Stream) -> Vec<u8> {
    let mut all = vec![];
    while let Some(piece) = stream.piece().await {
        all.extend(piece.unwrap());
    }
    all
}

#[tokio::test]
async fn bytes_go_both_ways_and_each_way_ends_alone() {
    let agent = Agent::start("tunnel").await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (_link, mut stream, mut socket) = tunnel(&agent, &listener).await;
    assert_eq!(stream.status().await, 200);
    stream.send(b"ping");
    let mut four = [0; 4];
    socket.read_exact(&mut four).await.unwrap();
    socket.write_all(b"pong").await.unwrap();
    assert_eq!(stream.piece().await.unwrap().unwrap(), Bytes::from("pong"));
    stream.end();
    assert_eq!(socket.read(&mut four).await.unwrap(), 0, "the end is passed on");
    socket.write_all(b"still").await.unwrap();
    assert_eq!(stream.piece().await.unwrap().unwrap(), Bytes::from("still"));
    drop(socket);
    assert!(stream.piece().await.is_none());
}

#[tokio::test]
async fn the_port_may_end_first_and_still_be_sent_to() {
    let agent = Agent::start("tunnel-half").await;
    let listener = TcpListener::bind("[::1]:0").await.unwrap();
    let (_link, mut stream, mut socket) = tunnel(&agent, &listener).await;
    socket.write_all(b"done").await.unwrap();
    socket.shutdown().await.unwrap();
    assert_eq!(all(&mut stream).await, b"done");
    stream.send(b"more");
    stream.end();
    let mut rest = vec![];
    socket.read_to_end(&mut rest).await.unwrap();
    assert_eq!(rest, b"more");
}

#[tokio::test]
async fn much_passes_whole_through_a_slow_reader() {
    let agent = Agent::start("tunnel-much").await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (_link, mut stream, mut socket) = tunnel(&agent, &listener).await;
    let sent: Vec<u8> = (0..5_000_000u32).map(|i| (i * 13) as u8).collect();
    let writing = tokio::spawn({
        let sent = sent.clone();
        async move {
            socket.write_all(&sent).await.unwrap();
        }
    });
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    assert!(!writing.is_finished(), "the reader holds the port up");
    assert!(all(&mut stream).await == sent);
}

#[tokio::test]
async fn losses_are_resets_and_not_ends() {
    let agent = Agent::start("tunnel-reset").await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (link, stream, mut socket) = tunnel(&agent, &listener).await;
    let mut buffer = [0; 10];
    stream.reset();
    assert!(socket.read(&mut buffer).await.is_err(), "the host's reset is one");
    drop(link);

    let (link, mut stream, socket) = tunnel(&agent, &listener).await;
    // A reset before the agent has seen that it is connected would be a refusal.
    assert_eq!(stream.status().await, 200);
    socket.set_zero_linger().unwrap();
    drop(socket);
    assert!(stream.piece().await.unwrap().is_err(), "the port's reset is one");
    drop(link);

    let (link, mut stream, mut socket) = tunnel(&agent, &listener).await;
    socket.shutdown().await.unwrap();
    assert!(stream.piece().await.is_none());
    link.cut();
    let _next = agent.link(b"").await;
    assert!(socket.read(&mut buffer).await.is_err(), "and so is the loss of the connection");
}

#[tokio::test]
async fn nothing_listening_and_no_port_are_told() {
    let agent = Agent::start("tunnel-refused").await;
    let mut link = agent.link(b"").await;
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let reply = link.ask(Method::POST, &format!("/v1/tunnels/{free}"), b"").await;
    assert_eq!((reply.status, reply.code().as_str()), (502, "refused"));
    for wrong in ["0", "65536", "http", "-1", "127.0.0.1:80"] {
        assert_eq!(link.ask(Method::POST, &format!("/v1/tunnels/{wrong}"), b"").await.code(), "invalid");
    }
}
