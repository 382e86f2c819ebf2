//! Connections, each begun by a word of the host on the control port (PROTOCOL.md, "Linking").

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::{JoinHandle, spawn_local};
use tokio::time::timeout;

use crate::channel::{Channel, Stream};
use crate::http;
use crate::state::State;

const MARKER: usize = 16;
/// A longer line is no word of the host.
const LONGEST_LINE: usize = 256;
/// How long the host may take to send the marker once it was told that the agent is ready for it.
const PATIENCE: Duration = Duration::from_secs(30);

/// Serves for ever.
pub async fn serve(control: Channel, data: Channel, state: Rc<State>) -> io::Result<()> {
    let links = Links { data: Rc::new(data), state, current: RefCell::new(None) };
    loop {
        let mut stream = control.next(true).await?;
        let mut lines = Lines::default();
        let mut buffer = [0; 512];
        loop {
            let n = match stream.read(&mut buffer).await {
                Ok(0) => break,
                Ok(n) => n,
                // Of a socket there is another one.
                Err(_) if matches!(control, Channel::Socket(_)) => break,
                Err(error) => return Err(error),
            };
            for marker in buffer[..n].iter().filter_map(|&byte| lines.push(byte)) {
                links.begin(marker).await;
                // This waits while no host is connected; the next one's word would come behind it anyway.
                let _ = stream.write_all(ready(&marker).as_bytes()).await;
            }
        }
    }
}

struct Links {
    data: Rc<Channel>,
    state: Rc<State>,
    current: RefCell<Option<JoinHandle<()>>>,
}

impl Links {
    /// Ends the connection that there is, to the last of its tasks' use of the port, and begins a new one.
    async fn begin(&self, marker: [u8; MARKER]) {
        let old = self.current.borrow_mut().take();
        if let Some(old) = old {
            old.abort();
            let _ = old.await;
        }
        let (data, state) = (self.data.clone(), self.state.clone());
        let connection = spawn_local(async move {
            let begun = timeout(PATIENCE, begin(&data, marker)).await;
            let Ok(Ok(stream)) = begun else { return };
            http::serve(stream, state).await;
        });
        *self.current.borrow_mut() = Some(connection);
    }
}

/// Forgets what comes before the marker, and answers with it.
async fn begin(data: &Channel, marker: [u8; MARKER]) -> io::Result<Box<dyn Stream>> {
    let mut waiting = data.next(true).await?;
    let mut window = Vec::with_capacity(MARKER);
    while window != marker {
        // One byte at a time: not one of what follows the marker may be taken.
        if window.len() == MARKER {
            window.remove(0);
        }
        window.push(waiting.read_u8().await?);
    }
    waiting.write_all(&marker).await?;
    // From here on, a host that leaves is the end of the connection.
    match data {
        Channel::Device(_) => data.next(false).await,
        Channel::Socket(_) => Ok(waiting),
    }
}

/// What the host is told once nothing else reads the data port any more.
fn ready(marker: &[u8; MARKER]) -> String {
    let hex: String = marker.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("ready {hex}\n")
}

/// Collects bytes to lines and finds the markers in them.
#[derive(Default)]
struct Lines {
    line: Vec<u8>,
}

impl Lines {
    fn push(&mut self, byte: u8) -> Option<[u8; MARKER]> {
        if byte != b'\n' {
            if self.line.len() <= LONGEST_LINE {
                self.line.push(byte);
            }
            return None;
        }
        let line = std::mem::take(&mut self.line);
        parse(line.strip_prefix(b"link ")?)
    }
}

fn parse(hex: &[u8]) -> Option<[u8; MARKER]> {
    let hex = std::str::from_utf8(hex).ok()?;
    if hex.len() != 2 * MARKER || !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let mut marker = [0; MARKER];
    for (i, byte) in marker.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).ok()?;
    }
    Some(marker)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn markers(text: &str) -> Vec<[u8; MARKER]> {
        let mut lines = Lines::default();
        text.bytes().filter_map(|byte| lines.push(byte)).collect()
    }

    #[test]
    fn a_link_line_is_found_between_lines_that_are_none() {
        let text = format!("junk\nlink {}\nlink zz\nlink 00\n", "0f".repeat(16));
        assert_eq!(markers(&text), [[0x0f; MARKER]]);
    }

    #[test]
    fn a_line_without_end_is_dropped() {
        let text = format!("{}link {}\n\nlink {}\n", "x".repeat(10_000), "00".repeat(16), "11".repeat(16));
        assert_eq!(markers(&text), [[0x11; MARKER]]);
    }
}
