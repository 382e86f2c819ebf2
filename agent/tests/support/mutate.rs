//! Input that is almost right: what is in the corpus, changed by chance.

use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// What programs stumble over.
const WORDS: [&str; 24] = [
    "null",
    "true",
    "-1",
    "0",
    "1e999",
    "65536",
    "4294967296",
    "18446744073709551616",
    "\"",
    "\\u0000",
    "\\ud800",
    "{",
    "}",
    "[[[[[[[[",
    "..",
    "/",
    "//",
    "%00",
    "%2e%2e%2f",
    "~",
    "\0",
    "\n",
    "\u{fffd}",
    "=",
];
const NUMBERS: [u32; 8] = [0, 1, 0x7f, 0xff, 0xffff, 0x0040_0000, 0x7fff_ffff, 0xffff_ffff];
/// How long each part of the fuzzing takes where FUZZ_SECONDS doesn't say.
const SECONDS: u64 = 2;
const LONGEST: usize = 1 << 16;

/// Chance that can be had again: its seed is printed when a test fails.
pub struct Chance(u64);

impl Chance {
    pub fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % limit.max(1)
    }

    pub fn of<'a, T>(&mut self, choice: &'a [T]) -> &'a T {
        &choice[self.below(choice.len())]
    }

    /// Changes a few things.
    pub fn mutate(&mut self, corpus: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = self.of(corpus).clone();
        for _ in 0..self.below(6) {
            self.change(&mut bytes, corpus);
        }
        bytes.truncate(LONGEST);
        bytes
    }

    fn change(&mut self, bytes: &mut Vec<u8>, corpus: &[Vec<u8>]) {
        let at = self.below(bytes.len());
        let end = (at + 1 + self.below(16)).min(bytes.len());
        match self.below(8) {
            0 if !bytes.is_empty() => bytes[at] ^= 1 << self.below(8),
            1 => drop(bytes.splice(at..end, [])),
            2 => drop(bytes.splice(at..at, self.of(&WORDS).bytes())),
            3 if bytes.len() >= at + 4 => bytes[at..at + 4].copy_from_slice(&self.of(&NUMBERS).to_be_bytes()),
            4 => bytes.truncate(at),
            5 => {
                let again = bytes[at..end].repeat(1 + self.below(64));
                bytes.splice(at..at, again);
            }
            6 => {
                let other = self.of(corpus);
                let from = self.below(other.len());
                bytes.truncate(at);
                bytes.extend(&other[from..]);
            }
            _ => bytes.insert(at, self.below(256) as u8),
        }
    }
}

/// Rounds of chance until the time is over. FUZZ_SECONDS makes it longer and chance another each time; FUZZ_SEED brings one
/// back.
pub struct Rounds {
    pub chance: Chance,
    until: Instant,
    seed: u64,
}

impl Rounds {
    pub fn begin() -> Rounds {
        let number = |name: &str| std::env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
        let seconds = number("FUZZ_SECONDS");
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64;
        let seed = number("FUZZ_SEED").unwrap_or(if seconds.is_some() { now } else { 0x5eed }).max(1);
        Rounds { chance: Chance(seed), until: Instant::now() + Duration::from_secs(seconds.unwrap_or(SECONDS)), seed }
    }

    pub fn go_on(&self) -> bool {
        Instant::now() < self.until
    }
}

impl Drop for Rounds {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("FUZZ_SEED={} brings this back.", self.seed);
        }
    }
}

/// All inputs of a kind. What was once found to break something is kept there too.
pub fn corpus(kind: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(kind);
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).unwrap()).collect()
}
