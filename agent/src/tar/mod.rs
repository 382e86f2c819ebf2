//! Directories as tar streams, both ways. Written here, since what comes in is not to be trusted with memory or places.

mod header;
mod pack;
mod read;
mod unpack;

pub use pack::pack;
pub use unpack::unpack;
