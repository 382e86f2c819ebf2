//! What can go wrong with a request: one table of codes.

use std::io;

use hyper::StatusCode;
use serde::Serialize;

/// The error codes of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    Invalid,
    Denied,
    NotFound,
    Exists,
    IsDirectory,
    NotDirectory,
    NotExecutable,
    /// The stdin that is to be written is closed.
    Closed,
    TooLarge,
    NoSpace,
    /// Nothing listens on the port.
    Refused,
    /// There are no processes, descriptors or memory left.
    Exhausted,
    Io,
}

impl Code {
    /// The HTTP status that goes with the code.
    pub fn status(self) -> StatusCode {
        match self {
            Code::Invalid => StatusCode::BAD_REQUEST,
            Code::Denied => StatusCode::FORBIDDEN,
            Code::NotFound => StatusCode::NOT_FOUND,
            Code::Exists | Code::IsDirectory | Code::NotDirectory | Code::NotExecutable | Code::Closed => {
                StatusCode::CONFLICT
            }
            Code::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Code::NoSpace => StatusCode::INSUFFICIENT_STORAGE,
            Code::Refused => StatusCode::BAD_GATEWAY,
            Code::Exhausted => StatusCode::SERVICE_UNAVAILABLE,
            Code::Io => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

/// A failed request: a code for programs and a message for people.
#[derive(Debug, Serialize)]
pub struct Failure {
    pub code: Code,
    pub message: String,
}

impl Failure {
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Failure { code, message: message.into() }
    }

    pub fn invalid(message: impl Into<String>) -> Self {
        Failure::new(Code::Invalid, message)
    }

    /// The failure in an error of the system, about `subject`: a path or a program.
    pub fn of(error: &io::Error, subject: &str) -> Self {
        let (code, words) = match error.raw_os_error() {
            Some(libc::ENOENT) => (Code::NotFound, "does not exist"),
            Some(libc::EEXIST) => (Code::Exists, "exists"),
            Some(libc::EISDIR) => (Code::IsDirectory, "is a directory"),
            Some(libc::ENOTDIR) => (Code::NotDirectory, "is not a directory, or below something that is none"),
            Some(libc::EACCES | libc::EPERM | libc::EROFS) => (Code::Denied, "may not be used this way"),
            Some(libc::ENOSPC | libc::EDQUOT) => (Code::NoSpace, "does not fit: the disk is full"),
            Some(libc::ENOMEM | libc::EMFILE | libc::ENFILE) => {
                (Code::Exhausted, "failed: there are no more descriptors or memory")
            }
            Some(libc::ENOTEMPTY) => (Code::Exists, "is not empty"),
            Some(libc::ENAMETOOLONG) => (Code::Invalid, "is too long a name"),
            Some(libc::ELOOP) => (Code::Invalid, "is a link that leads in a circle"),
            _ => return Failure::new(Code::Io, format!("{subject}: {error}.")),
        };
        Failure::new(code, format!("{subject} {words}."))
    }
}
