//! The wall clock: told, and put right by as much as the host says. The host measures, since it knows what time it is.

use std::io;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Deserialize;

use crate::failure::Failure;
use crate::system::check;

const SECOND: i64 = 1_000_000;

/// How a clock is put right.
#[derive(Clone, Copy, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// At once.
    Step,
    /// By running a little faster or slower for a while (adjtime(3)): no second is seen twice.
    Slew,
}

/// What the host sends.
#[derive(Deserialize)]
pub struct Correction {
    by_ns: String,
    how: How,
}

impl Correction {
    /// Puts the clock right.
    pub fn apply(&self) -> Result<(), Failure> {
        let by_us = self.by_us()?;
        correct(by_us, self.how).map_err(|error| Failure::of(&error, "The clock"))
    }

    fn by_us(&self) -> Result<i64, Failure> {
        let by: i64 = self.by_ns.parse().map_err(|_| Failure::invalid("by_ns must be a decimal number."))?;
        Ok(by / 1000)
    }
}

/// Nanoseconds since 1970, as the wall clock says.
pub fn now_ns() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}

fn correct(by_us: i64, how: How) -> io::Result<()> {
    // SAFETY: plain numbers, for which all zero is fine.
    let mut asked: libc::timex = unsafe { std::mem::zeroed() };
    match how {
        How::Step => {
            asked.modes = libc::ADJ_SETOFFSET;
            asked.time.tv_sec = by_us.div_euclid(SECOND);
            asked.time.tv_usec = by_us.rem_euclid(SECOND);
        }
        How::Slew => {
            asked.modes = libc::ADJ_OFFSET_SINGLESHOT;
            asked.offset = by_us;
        }
    }
    // SAFETY: a valid structure.
    check(unsafe { libc::adjtimex(&mut asked) })
}
