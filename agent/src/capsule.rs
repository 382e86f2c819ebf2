//! Requests about the capsule as a whole: getting ready for a capture, becoming a machine of its own, keeping time.

use hyper::Method;
use hyper::body::Incoming;
use serde_json::{Value, json};

use crate::body::{json, next_piece};
use crate::clock::{self, Correction};
use crate::failure::{Code, Failure};
use crate::hooks::{self, Occasion};
use crate::pipe::wipe_scratch;
use crate::pool::blocking;
use crate::renew::{self, Machine};
use crate::state::State;
use crate::system;

/// Answers one; `None` is an answer without content.
pub async fn route((method, name): (&Method, &str), body: Incoming, state: &State) -> Result<Option<Value>, Failure> {
    match (method, name) {
        (&Method::POST, "prepare") => prepare(body, state).await.map(Some),
        (&Method::POST, "renew") => {
            let renewed = renew::renew(json(body).await?, state).await?;
            let has_hooks = hooks::are_there(state, Occasion::AfterRestore);
            Ok(Some(json!({ "renewed": renewed, "has_hooks": has_hooks, "unix_time_ns": now() })))
        }
        (&Method::POST, "after-restore") => {
            Ok(Some(json!({ "hooks": hooks::run(state, Occasion::AfterRestore).await })))
        }
        (&Method::GET, "clock") => Ok(Some(json!({ "unix_time_ns": now() }))),
        (&Method::POST, "clock") => {
            let correction: Correction = json(body).await?;
            if state.machine == Machine::Foreign {
                return Err(Failure::new(Code::Denied, "This clock is not the capsule's own."));
            }
            correction.apply().map(|()| None)
        }
        _ => Err(Failure::invalid(format!("There is no {method} of {name}."))),
    }
}

/// A time in nanoseconds is more than a number of JSON can hold.
fn now() -> String {
    clock::now_ns().to_string()
}

/// The body is there to be read: it overwrites what earlier requests left in all that bytes of the host pass through.
async fn prepare(mut body: Incoming, state: &State) -> Result<Value, Failure> {
    while let Some(Ok(_)) = next_piece(&mut body).await {}
    wipe_scratch();
    let results = hooks::run(state, Occasion::BeforeSnapshot).await;
    blocking(|| {
        system::sync();
        Ok(())
    })
    .await?;
    Ok(json!({ "hooks": results }))
}
