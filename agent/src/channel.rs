//! Where the agent's two ports come from: the devices of a capsule, or sockets when the agent is tested outside of one.

use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::UnixListener;

use crate::port::{Port, PortStream};

/// A byte stream from or to the host.
pub trait Stream: AsyncRead + AsyncWrite + Unpin {}
impl<T: AsyncRead + AsyncWrite + Unpin> Stream for T {}

/// One of the two ports.
pub enum Channel {
    Device(Rc<Port>),
    Socket(UnixListener),
}

impl Channel {
    /// Listens on a Unix socket.
    pub fn socket(path: &Path) -> io::Result<Channel> {
        Ok(Channel::Socket(UnixListener::bind(path)?))
    }

    /// Finds the virtio-serial port of this name.
    pub fn device(name: &str) -> io::Result<Channel> {
        for entry in std::fs::read_dir("/sys/class/virtio-ports")? {
            let entry = entry?;
            if std::fs::read_to_string(entry.path().join("name"))?.trim_end() == name {
                let device = PathBuf::from("/dev").join(entry.file_name());
                return Ok(Channel::Device(Rc::new(Port::open(&device)?)));
            }
        }
        Err(io::Error::new(io::ErrorKind::NotFound, format!("there is no port {name}")))
    }

    /// The next connection of the host. A device has one for ever; its stream waits for the host where `wait_for_host`.
    pub async fn next(&self, wait_for_host: bool) -> io::Result<Box<dyn Stream>> {
        Ok(match self {
            Channel::Device(port) => Box::new(PortStream::new(port.clone(), wait_for_host)),
            Channel::Socket(listener) => Box::new(listener.accept().await?.0),
        })
    }
}
