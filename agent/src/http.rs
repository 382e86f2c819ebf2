//! One HTTP/2 connection: requests are handed to what answers them.

use std::rc::Rc;

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use hyper::rt::Executor;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use percent_encoding::percent_decode_str;
use serde::Serialize;
use serde_json::json;

use crate::body::{Answer, Reply, Source, json};
use crate::capsule;
use crate::channel::Stream;
use crate::failure::Failure;
use crate::log::From;
use crate::pool::blocking;
use crate::state::State;
use crate::{exec, files, metrics, relocate, system, tar, tunnel, watch};

/// What the host may send before it is read. All streams share the connection's part: programs that don't read their stdin
/// must not use it up, since even a signal needs some. (The library also counts small pieces that wait against it.)
const STREAM_WINDOW: u32 = 512 << 10;
const CONNECTION_WINDOW: u32 = 64 << 20;
const MOST_STREAMS: u32 = 1000;
/// The version of the protocol.
const PROTOCOL: u32 = 2;

#[derive(Clone)]
struct Local;

impl<F: Future + 'static> Executor<F> for Local {
    fn execute(&self, work: F) {
        tokio::task::spawn_local(async move {
            work.await;
        });
    }
}

/// Serves a connection until its end.
pub async fn serve(stream: Box<dyn Stream>, state: Rc<State>) {
    // Closed when this is dropped: streams that wait for the guest wouldn't see that the connection is lost.
    let (_open, connection) = tokio::sync::watch::channel(());
    let service = service_fn(move |request| {
        let (state, connection) = (state.clone(), connection.clone());
        async move { answer(request, state, connection).await }
    });
    // How it ends does not matter: the host asks for the next one.
    let _ = http2::Builder::new(Local)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_concurrent_streams(MOST_STREAMS)
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

type Connection = tokio::sync::watch::Receiver<()>;

async fn answer(request: Request<Incoming>, state: Rc<State>, connection: Connection) -> Answer {
    Ok(route(request, state, connection).await.unwrap_or_else(|failure| {
        let mut response = reply(&json!({ "error": failure }));
        *response.status_mut() = failure.code.status();
        response
    }))
}

async fn route(
    request: Request<Incoming>,
    state: Rc<State>,
    connection: Connection,
) -> Result<Response<Reply>, Failure> {
    let (head, body) = request.into_parts();
    let path = head.uri.path().to_owned();
    let query = head.uri.query().unwrap_or("").to_owned();
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    match (&head.method, segments.as_slice()) {
        (&Method::GET, ["v1", "health"]) => Ok(reply(&json!({
            "version": env!("CARGO_PKG_VERSION"),
            "protocol": PROTOCOL,
            "kernel": system::kernel_release(),
            "uptime_ms": state.started.elapsed().as_millis() as u64,
        }))),
        (&Method::GET, ["v1", "metrics"]) => Ok(reply(&metrics::Metrics::read()?)),
        (method, ["v1", "prepare" | "renew" | "after-restore" | "clock"]) => {
            capsule::route((method, segments[1]), body, &state)
                .await
                .map(|told| told.map_or_else(no_content, |told| reply(&told)))
        }
        (&Method::POST, ["v1", "exec"]) => Ok(Response::new(exec::exec(body, state).await?)),
        (method, ["v1", "processes", rest @ ..]) => route_processes(method, rest, Asked { query, body }, &state).await,
        (&Method::POST, ["v1", "tunnels", port]) => Ok(source(tunnel::open(port, body, connection).await?)),
        (method, ["v1", "files", rest @ ..]) => route_files(method, rest, &query, body).await,
        _ => Err(Failure::invalid(format!("There is no {} {path}.", head.method))),
    }
}

struct Asked {
    query: String,
    body: Incoming,
}

async fn route_processes(
    method: &Method,
    rest: &[&str],
    asked: Asked,
    state: &State,
) -> Result<Response<Reply>, Failure> {
    let Asked { query, body } = asked;
    let processes = &state.processes;
    match (method, rest) {
        (&Method::GET, []) => {
            let mut listed = json!({ "processes": processes.list() });
            if flag(&query, "ended")? {
                listed["ended"] = processes.list_ended().into();
            }
            Ok(reply(&listed))
        }
        (&Method::GET, [selector, "output"]) => {
            let from = match (number(&query, "from")?, number(&query, "tail")?) {
                (Some(offset), _) => From::Offset(offset),
                (None, Some(length)) => From::Tail(length),
                (None, None) => From::Oldest,
            };
            Ok(source(exec::output(&*processes.find(&decode(selector)?)?, from)))
        }
        (&Method::POST, [selector, "stdin"]) => {
            let session = processes.running(&decode(selector)?)?;
            exec::write_stdin(&session, body).await.map(|()| no_content())
        }
        (&Method::POST, [selector, "stdin", "end"]) => {
            processes.running(&decode(selector)?)?.end_stdin().await.map(|()| no_content())
        }
        (&Method::POST, [selector, "resize"]) => {
            let size = json(body).await?;
            processes.running(&decode(selector)?)?.resize(size).map(|()| no_content())
        }
        (&Method::POST, [selector, "signal"]) => {
            let asked: exec::Signal = json(body).await?;
            processes.running(&decode(selector)?)?.signal(asked.number()?);
            Ok(no_content())
        }
        _ => Err(Failure::invalid(format!("There is no {method} of processes like this."))),
    }
}

async fn route_files(method: &Method, rest: &[&str], query: &str, body: Incoming) -> Result<Response<Reply>, Failure> {
    let path = files::resolve(&parameter(query, "path")?.ok_or_else(|| Failure::invalid("The path is missing."))?)?;
    match (method, rest) {
        (&Method::GET, []) => {
            let (size, content) = files::read(path).await?;
            Ok(pieces(content, size))
        }
        (&Method::PUT, []) => files::write(path, body).await.map(|()| no_content()),
        (&Method::DELETE, []) => blocking(move || files::remove(&path)).await.map(|()| no_content()),
        (&Method::GET, ["list"]) => {
            let depth = parameter(query, "depth")?.and_then(|depth| depth.parse().ok()).unwrap_or(1);
            let entries = blocking(move || files::list(&path, depth)).await?;
            Ok(reply(&json!({ "entries": entries })))
        }
        (&Method::GET, ["stat"]) => Ok(reply(&json!({ "entry": blocking(move || files::stat(&path)).await? }))),
        (&Method::GET, ["tar"]) => Ok(pieces(tar::pack(path).await?, None)),
        (&Method::PUT, ["tar"]) => tar::unpack(path, body).await.map(|()| no_content()),
        (&Method::GET, ["watch"]) => Ok(pieces(watch::watch(path, flag(query, "recursive")?).await?, None)),
        (&Method::POST, ["move"]) => {
            let to = parameter(query, "to")?.ok_or_else(|| Failure::invalid("The target is missing."))?;
            let (to, overwrite) = (files::resolve(&to)?, flag(query, "overwrite")?);
            let entry = blocking(move || relocate::relocate(&path, &to, overwrite)).await?;
            Ok(reply(&json!({ "entry": entry })))
        }
        (&Method::POST, ["mkdir"]) => Ok(reply(&json!({ "entry": blocking(move || files::make_dir(&path)).await? }))),
        _ => Err(Failure::invalid(format!("There is no {method} of files like this."))),
    }
}

/// A parameter of the query, decoded.
fn parameter(query: &str, name: &str) -> Result<Option<String>, Failure> {
    query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .find(|(key, _)| *key == name)
        .map(|(_, value)| decode(value))
        .transpose()
}

/// A parameter of the query that is `true` or not.
fn flag(query: &str, name: &str) -> Result<bool, Failure> {
    Ok(parameter(query, name)?.as_deref() == Some("true"))
}

/// A parameter of the query that is a number.
fn number(query: &str, name: &str) -> Result<Option<u64>, Failure> {
    let parse = |text: String| text.parse().map_err(|_| Failure::invalid(format!("{name} must be a number.")));
    parameter(query, name)?.map(parse).transpose()
}

fn decode(text: &str) -> Result<String, Failure> {
    let decoded = percent_decode_str(text).decode_utf8().map_err(|_| Failure::invalid("The address is not UTF-8."))?;
    Ok(decoded.into_owned())
}

fn reply(value: &impl Serialize) -> Response<Reply> {
    let text = serde_json::to_vec(value).expect("plain data becomes JSON");
    let mut response = Response::new(Reply::Whole(Some(Bytes::from(text))));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn no_content() -> Response<Reply> {
    let mut response = Response::new(Reply::Whole(None));
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

fn pieces(content: crate::files::Pieces, size: Option<u64>) -> Response<Reply> {
    let mut response = Response::new(Reply::Pieces(content));
    if let Some(size) = size {
        response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(size));
    }
    response
}

fn source(source: impl Source + 'static) -> Response<Reply> {
    Response::new(Reply::Source(Box::new(source)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_is_found_and_decoded() {
        assert_eq!(parameter("depth=2&path=%2Fa%20b%26c", "path").unwrap().as_deref(), Some("/a b&c"));
        assert_eq!(parameter("depth=2", "path").unwrap(), None);
        assert!(parameter("path=%ff", "path").is_err());
    }
}
