//! What a directory listing says of a file.

use std::collections::HashMap;
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use serde::Serialize;

use crate::small;

#[derive(Debug, Serialize)]
pub struct Entry {
    name: String,
    path: String,
    #[serde(rename = "type")]
    kind: &'static str,
    size: u64,
    mode: u32,
    permissions: String,
    owner: String,
    group: String,
    modified_at: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    symlink_target: Option<String>,
}

impl Entry {
    pub fn new(path: &Path, found: &Metadata, names: &Names) -> Entry {
        let kind = found.file_type();
        Entry {
            name: path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned(),
            path: path.to_string_lossy().into_owned(),
            kind: if kind.is_symlink() {
                "symlink"
            } else if kind.is_dir() {
                "directory"
            } else {
                "file"
            },
            size: found.len(),
            mode: found.mode() & 0o7777,
            permissions: permissions(found.mode()),
            owner: name_of(&names.users, found.uid()),
            group: name_of(&names.groups, found.gid()),
            modified_at: found.mtime(),
            symlink_target: fs::read_link(path).ok().map(|target| target.to_string_lossy().into_owned()),
        }
    }
}

/// As `ls -l` shows them.
fn permissions(mode: u32) -> String {
    let kind = match mode & libc::S_IFMT {
        libc::S_IFDIR => 'd',
        libc::S_IFLNK => 'l',
        libc::S_IFCHR => 'c',
        libc::S_IFBLK => 'b',
        libc::S_IFIFO => 'p',
        libc::S_IFSOCK => 's',
        _ => '-',
    };
    // For each of user, group and others: where its bits are, and the bit that shows in place of its execute bit.
    let triples = [(6, libc::S_ISUID, 's'), (3, libc::S_ISGID, 's'), (0, libc::S_ISVTX, 't')];
    let shown = triples.into_iter().flat_map(|(shift, special, letter)| {
        let bits = mode >> shift;
        let execute = match (bits & 1 != 0, mode & special != 0) {
            (true, true) => letter,
            (false, true) => letter.to_ascii_uppercase(),
            (true, false) => 'x',
            (false, false) => '-',
        };
        [if bits & 4 != 0 { 'r' } else { '-' }, if bits & 2 != 0 { 'w' } else { '-' }, execute]
    });
    std::iter::once(kind).chain(shown).collect()
}

/// The names of users and groups. Read from the files: a static program has no other way.
pub struct Names {
    users: HashMap<u32, String>,
    groups: HashMap<u32, String>,
}

impl Names {
    pub fn load() -> Names {
        let load = |path| parse(&small::read(path).unwrap_or_default());
        Names { users: load("/etc/passwd"), groups: load("/etc/group") }
    }
}

/// Lines of `name:password:number:…`.
fn parse(text: &str) -> HashMap<u32, String> {
    text.lines()
        .filter_map(|line| {
            let mut fields = line.split(':');
            let name = fields.next()?;
            Some((fields.nth(1)?.parse().ok()?, name.to_owned()))
        })
        .collect()
}

fn name_of(names: &HashMap<u32, String>, number: u32) -> String {
    names.get(&number).cloned().unwrap_or_else(|| number.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permissions_read_as_ls_shows_them() {
        assert_eq!(permissions(0o100644), "-rw-r--r--");
        assert_eq!(permissions(0o041777), "drwxrwxrwt");
        assert_eq!(permissions(0o104755), "-rwsr-xr-x");
        assert_eq!(permissions(0o102644), "-rw-r-Sr--");
        assert_eq!(permissions(0o120777), "lrwxrwxrwx");
    }

    #[test]
    fn names_are_found_by_number() {
        let names = parse("root:x:0:0::/root:/bin/sh\nbroken\nada:x:1000:1000::/home/ada:/bin/sh\n");
        assert_eq!(name_of(&names, 1000), "ada");
        assert_eq!(name_of(&names, 7), "7");
    }
}
