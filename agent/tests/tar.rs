//! Directories as tar streams, against the tar program of the machine.

mod support;

use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

use http::Method;
use support::{Agent, Link, Stream};

fn at(path: &str) -> String {
    format!("/v1/files/tar?path={path}")
}

fn tar(args: &[&str]) -> Vec<u8> {
    let ran = Command::new("tar").args(args).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    ran.stdout
}

fn make_tree(top: &Path) {
    let long = "long-".repeat(30);
    std::fs::create_dir_all(top.join("sub").join(&long)).unwrap();
    std::fs::create_dir(top.join("empty")).unwrap();
    std::fs::write(top.join("sub").join(&long).join("größe"), "deep").unwrap();
    let content: Vec<u8> = (0..700_001u32).map(|i| (i * 31) as u8).collect();
    std::fs::write(top.join("file"), content).unwrap();
    std::fs::set_permissions(top.join("file"), std::fs::Permissions::from_mode(0o751)).unwrap();
    std::fs::write(top.join("nothing"), "").unwrap();
    symlink("sub", top.join("link")).unwrap();
    symlink("/etc/passwd", top.join("out")).unwrap();
    symlink(long.repeat(2), top.join("dangling")).unwrap();
    assert!(Command::new("mkfifo").arg(top.join("fifo")).status().unwrap().success());
}

fn assert_same(one: &Path, other: &Path) {
    let ran = Command::new("diff").args(["-r", "--no-dereference"]).args([one, other]).output().unwrap();
    let told = String::from_utf8_lossy(&ran.stdout).into_owned();
    assert!(told.trim().ends_with("fifo") && told.lines().count() == 1, "only the pipe is missing: {told}");
    let [one, other] = [one, other].map(|top| std::fs::metadata(top.join("file")).unwrap());
    assert_eq!((one.mode(), one.mtime(), one.uid()), (other.mode(), other.mtime(), other.uid()));
}

#[tokio::test]
async fn a_directory_comes_as_an_archive_that_tar_reads() {
    let agent = Agent::start("tar-get").await;
    let mut link = agent.link(b"").await;
    make_tree(&agent.dir.join("top"));
    let reply = link.ask(Method::GET, &at(&agent.path("top")), b"").await;
    assert!(reply.status == 200 && !reply.was_reset);
    std::fs::write(agent.path("archive"), &reply.body).unwrap();
    std::fs::create_dir(agent.path("copy")).unwrap();
    tar(&["-xpf", &agent.path("archive"), "-C", &agent.path("copy")]);
    assert_same(&agent.dir.join("top"), &agent.dir.join("copy"));
    let single = link.ask(Method::GET, &at(&agent.path("top/file")), b"").await;
    std::fs::write(agent.path("archive"), &single.body).unwrap();
    assert_eq!(tar(&["-tf", &agent.path("archive")]), b"file\n");
    assert_eq!(link.ask(Method::GET, &at(&agent.path("missing")), b"").await.code(), "not_found");
    assert_eq!(link.ask(Method::GET, &at(&agent.path("top/fifo")), b"").await.code(), "invalid");
}

#[tokio::test]
async fn archives_of_every_format_are_laid_out_and_come_back_the_same() {
    let agent = Agent::start("tar-put").await;
    let mut link = agent.link(b"").await;
    let top = agent.path("top");
    make_tree(Path::new(&top));
    for format in ["gnu", "pax", "ustar"] {
        if format == "ustar" {
            // It has no room for such names.
            std::fs::remove_file(agent.path("top/dangling")).unwrap();
            std::fs::remove_dir_all(agent.path(&format!("top/sub/{}", "long-".repeat(30)))).unwrap();
            std::fs::write(agent.path(&format!("top/sub/{}", "n".repeat(98))), "").unwrap();
        }
        let archive = tar(&[&format!("--format={format}"), "-cf", "-", "-C", &top, "."]);
        let copy = agent.path(&format!("made/{format}"));
        for _ in 0..2 {
            let reply = link.ask(Method::PUT, &at(&copy), &archive).await;
            assert_eq!((reply.status, reply.code().as_str()), (204, ""));
            assert_same(Path::new(&top), Path::new(&copy));
        }
    }
    let own = link.ask(Method::GET, &at(&top), b"").await.body;
    assert_eq!(link.ask(Method::PUT, &at(&agent.path("own")), &own).await.status, 204);
    assert_same(Path::new(&top), &agent.dir.join("own"));
}

/// An archive as Python's tarfile makes it, with whatever names and links.
fn crafted(script: &str) -> Vec<u8> {
    let program = format!(
        "import tarfile,io,sys\nt=tarfile.open(fileobj=sys.stdout.buffer,mode='w|')\n\
         def add(name,kind=tarfile.REGTYPE,link='',data=b'x'):\n i=tarfile.TarInfo(name);i.type=kind;i.linkname=link\n \
         i.size=len(data) if kind==tarfile.REGTYPE else 0\n t.addfile(i,io.BytesIO(data))\nS=tarfile.SYMTYPE;H=tarfile.LNKTYPE;D=tarfile.DIRTYPE\n{script}\nt.close()\n"
    );
    let ran = Command::new("python3").args(["-c", &program]).stderr(Stdio::inherit()).output().unwrap();
    assert!(ran.status.success());
    ran.stdout
}

async fn put(link: &mut Link, agent: &Agent, script: &str) -> String {
    let reply = link.ask(Method::PUT, &at(&agent.path("base")), &crafted(script)).await;
    if reply.status == 204 { "done".to_owned() } else { reply.code() }
}

#[tokio::test]
async fn nothing_is_written_outside_of_the_directory() {
    let agent = Agent::start("tar-outside").await;
    let mut link = agent.link(b"").await;
    let outside = agent.path("outside");
    std::fs::create_dir(&outside).unwrap();
    std::fs::write(agent.path("outside/victim"), "safe").unwrap();
    for (script, answer) in [
        ("add('../evil')".to_owned(), "invalid"),
        ("add('a/../../evil')".to_owned(), "invalid"),
        (format!("add('{outside}/evil')"), "invalid"),
        (format!("add('l',S,'{outside}'); add('l/evil')"), "invalid"),
        ("add('m',S,'../outside'); add('m/evil')".to_owned(), "invalid"),
        ("add('n',S,'../outside'); add('n/d',D)".to_owned(), "invalid"),
        (format!("add('h',H,'{outside}/victim')"), "invalid"),
        ("add('h',H,'../outside/victim')".to_owned(), "invalid"),
        (format!("add('k',S,'{outside}'); add('h',H,'k/victim'); add('h')"), "invalid"),
        (format!("add('v',S,'{outside}/victim'); add('v',data=b'evil')"), "done"),
        (format!("add('w',S,'{outside}/victim'); add('h',H,'w'); add('h',data=b'evil')"), "done"),
        (format!("add('d',S,'{outside}'); add('d',D); add('d/fine')"), "done"),
        ("add('file'); add('file/below')".to_owned(), "not_directory"),
        ("add('dir',D); add('dir')".to_owned(), "is_directory"),
        ("add('real',D); add('in',S,'real'); add('in/below'); add('in',D); add('in/more')".to_owned(), "done"),
        ("add('one',data=b'1'); add('two',H,'one'); add('two',H,'two')".to_owned(), "done"),
    ] {
        assert_eq!(put(&mut link, &agent, &script).await, answer, "{script}");
    }
    assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 1);
    assert_eq!(std::fs::read(agent.path("outside/victim")).unwrap(), b"safe");
    assert!(
        std::fs::exists(agent.path("base/real/more")).unwrap() && std::fs::exists(agent.path("base/d/fine")).unwrap()
    );
    assert_eq!(std::fs::read(agent.path("base/two")).unwrap(), b"1");
    assert_eq!(std::fs::read_dir(&agent.dir).unwrap().count(), 4, "ports, base and outside");
}

#[tokio::test]
async fn what_is_no_archive_or_breaks_off_is_told() {
    let agent = Agent::start("tar-broken").await;
    let mut link = agent.link(b"").await;
    let whole = crafted("add('file',data=b'x'*3000)");
    for broken in [b"".as_slice(), &[b'x'; 5000], &whole[..1024], &whole[..3584]] {
        assert_eq!(link.ask(Method::PUT, &at(&agent.path("base")), broken).await.code(), "invalid");
    }
    std::fs::write(agent.path("plain"), "").unwrap();
    assert_eq!(link.ask(Method::PUT, &at(&agent.path("plain")), &whole).await.code(), "not_directory");
    let mut stream = Stream::open(&mut link, Method::PUT, &at(&agent.path("base"))).await;
    stream.send(&whole[..2048]);
    stream.reset();
    assert_eq!(link.ask(Method::PUT, &at(&agent.path("base")), &whole).await.status, 204);
}
