/** What a program that has taken QEMU's place can see and do. */
import { readdir, readFile, readlink, stat } from 'node:fs/promises'
import { createServer } from 'node:net'
import { once } from 'node:events'
import { constants } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { inmateUser, openYard, type Yard } from '../testing/inmate.js'
import { run } from '../process/run.js'
import { isAlive } from '../process/identity.js'
import { processesWorkingIn } from '../process/find.js'
import { Groups } from './groups.js'
import { jailFacts } from './kind.js'

const { kind, missing } = await jailFacts()
const why = kind === 'own-user' ? '' : ` (skipped: ${missing})`
const { EBUSY, EACCES, EFBIG, EPERM, EROFS, ESRCH, ENOENT, EMFILE, ENOSYS } = constants.errno

let yard: Yard
beforeEach(async () => {
  yard = await openYard()
})
afterEach(() => yard.end())

/** The results of what was tried, by its name: 'done', or the number of the error. */
const results = (lines: string[]) => Object.fromEntries(lines.map((line) => line.split(' '))) as Record<string, string>
const refused = (...errors: number[]) => expect.stringMatching(new RegExp(`^(${errors.join('|')})$`)) as string

describe.skipIf(kind !== 'own-user')(`in the jail${why}`, () => {
  test('it sees its own files, the libraries and what it is itself, and nothing else', async () => {
    const walk = `
      my @pending = ('/'); my %passed = map { $_ => 1 } ('/usr/lib', '/usr/lib64', '/lib', '/lib64', '/nix/store', '/gnu/store');
      while (defined(my $dir = shift @pending)) {
        opendir(my $d, $dir) or do { answer("$dir closed"); next };
        for my $name (sort readdir $d) {
          next if $name eq '.' or $name eq '..';
          my $path = $dir eq '/' ? "/$name" : "$dir/$name";
          next if $passed{$path};
          if (-d $path && !-l $path) { push @pending, $path } else { answer($path) }
        }
      }`
    const seen = await yard.hear(walk)
    const programs = ['perl', 'setpriv'].map(
      (name) => expect.stringMatching(new RegExp(`bin/${name}[\\d.]*$`)) as string,
    )
    const files = ['own', 'shared'].map((name) => join(yard.dir, name))
    expect(seen.sort()).toEqual([...programs, '/dev/null', '/etc/ld.so.cache', ...files].sort())
  })

  test('it is a user that owns nothing, without capabilities, in namespaces of its own', async () => {
    const { jailed, lines, goOn } = await yard.start(`answer($$, $<, $>, $( + 0, $) + 0, getppid()); ask()`)
    const proc = `/proc/${jailed.identity.pid}`
    expect((await lines.next()).value).toBe(`1 ${Array(4).fill(inmateUser).join(' ')} 0`)
    const status = await readFile(`${proc}/status`, 'utf8')
    const field = (name: string) => new RegExp(`^${name}:[ \\t]*(.*?)[ \\t]*$`, 'm').exec(status)![1]
    for (const set of ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb'])
      expect([set, field(set)]).toEqual([set, '0'.repeat(16)])
    expect([field('NoNewPrivs'), field('Seccomp'), field('Groups')]).toEqual(['1', '2', ''])
    for (const name of ['Uid', 'Gid']) expect(field(name)!.split('\t')).toEqual(Array(4).fill(String(inmateUser)))
    for (const name of ['mnt', 'pid', 'ipc', 'uts', 'net'])
      expect([name, await readlink(`${proc}/ns/${name}`)]).not.toEqual([name, await readlink(`/proc/self/ns/${name}`)])
    const interfaces = (await readFile(`${proc}/net/dev`, 'utf8')).match(/^\s*\S+(?=:)/gm)!.map((name) => name.trim())
    expect(interfaces.filter((name) => name !== 'lo' && !/^(tunl|gre|sit|ip6|erspan|ip_vti)/.test(name))).toEqual([])
    const open = await Promise.all((await readdir(`${proc}/fd`)).map((fd) => readlink(`${proc}/fd/${fd}`)))
    expect(open.filter((name) => !/^(socket:|pipe:|\/dev\/null$)/.test(name))).toEqual([])
    expect(open.length, 'stdin, stdout, stderr and its channel').toBeLessThanOrEqual(5)
    goOn()
  })

  test('it sees no mount but what it is shown, and may change none', async () => {
    const { jailed, lines, goOn } = await yard.start(`answer('here'); ask()`)
    await lines.next()
    const table = (await readFile(`/proc/${jailed.identity.pid}/mountinfo`, 'utf8')).trim().split('\n')
    const mounts = table
      .map((line) => line.split(' '))
      .map(([, , , , at, flags]) => ({ at: at!, flags: flags!.split(',') }))
    const writable = mounts.filter(({ flags }) => flags.includes('rw')).map(({ at }) => at)
    expect(writable.sort()).toEqual(['/dev/null', yard.dir].sort())
    for (const { at, flags } of mounts) {
      expect([at, flags.includes('nosuid')]).toEqual([at, true])
      expect([at, flags.includes('nodev')]).toEqual([at, at !== '/dev/null'])
    }
    expect(mounts.filter(({ at }) => /^\/(proc|sys|run|home|root)/.test(at))).toEqual([])
    goOn()
  })

  test('it can write its own file and make, replace, remove or open no other', async () => {
    const script = `
      my ($dir, $other) = @ARGV; my $f;
      tried('own', open($f, '>', "$dir/own") && syswrite($f, 'x'));
      tried("new:$_", open($f, '>', $_)) for ('new', "$dir/new", '/new', '/dev/new', '/usr/lib/new', '/tmp/new');
      tried('shared', open($f, '>>', "$dir/shared"));
      tried('remove', unlink "$dir/shared");
      tried('rename', rename "$dir/own", "$dir/shared");
      tried('link', link "$dir/own", "$dir/second");
      tried('symlink', symlink '/', "$dir/second");
      tried('chmod', chmod 0777, "$dir/shared");
      tried('mkdir', mkdir "$dir/new");
      tried('fifo', syscall(133, "$dir/fifo\\0", 0010644, 0) == 0);
      tried('other', open($f, '<', "$other/shared"));
      tried('above', open($f, '<', "$dir/../secret"));
      tried("host:$_", open($f, '<', $_)) for ('/etc/passwd', '/proc/self/status', '/sys/kernel/uevent_seqnum', '/root', '/dev/vda', '/dev/mem')`
    const { own, shared, remove, rename, ...others } = results(await yard.hear(script))
    expect([own, shared]).toEqual(['done', refused(EACCES)])
    expect([remove, rename]).toEqual([refused(EACCES), refused(EACCES)])
    expect(Object.keys(others)).toHaveLength(6 + 5 + 2 + 6)
    for (const [what, result] of Object.entries(others))
      expect([what, result]).toEqual([what, refused(EACCES, EPERM, EROFS, ENOENT)])
    expect(await readdir(yard.dir)).toEqual(['own', 'run', 'shared'])
    expect(await readFile(join(yard.dir, 'shared'), 'utf8')).toBe('for all')
  })

  test('where it has the same user as the server, what is shared is not its to write all the same', async () => {
    const script = `
      my ($dir) = @ARGV; my $f;
      tried('own', open($f, '>', "$dir/run/mine"));
      tried('chmod', chmod 0666, "$dir/shared"); tried('shared', open($f, '>', "$dir/shared"));
      tried('remove', unlink "$dir/shared"); tried('rename', rename "$dir/own", "$dir/shared");
      tried('root', open($f, '>', '/new')); tried('setuid', syscall(105, 5) == 0); tried('unshare', syscall(272, 0x10000000) == 0)`
    const { own, ...others } = results(
      await yard.hear(script, { uid: undefined, readOnly: [join(yard.dir, 'shared')] }),
    )
    expect([own, Object.keys(others).length]).toEqual(['done', 7])
    for (const [what, result] of Object.entries(others))
      expect([what, result]).toEqual([what, refused(EROFS, EPERM, EBUSY)])
  })

  test('its files grow to what was promised and no further, even where that ends others', async () => {
    const script = `
      open(my $f, '>', "$ARGV[0]/own") or die;
      my $sent = 0; while (my $n = syswrite($f, 'x' x 65536)) { $sent += $n }
      answer($sent, $! + 0); tried('far', sysseek($f, 1 << 40, 0) && syswrite($f, 'x')); tried('truncate', truncate($f, 1 << 40))`
    expect(await yard.hear(script)).toEqual([`${1024 * 1024} ${EFBIG}`, `far ${EFBIG}`, `truncate ${EFBIG}`])
    expect((await stat(join(yard.dir, 'own'))).size).toBe(1024 * 1024)
  })

  test('it can start no more than so many processes, and all of them end with it', async () => {
    const script = `
      my $n = 0; while (defined(my $pid = fork)) { if ($pid == 0) { sleep 1000; exit } $n++; last if $n > 1000 }
      answer($n); ask()`
    const { jailed, lines, goOn } = await yard.start(script)
    expect(Number((await lines.next()).value)).toBe(19)
    const all = await processesWorkingIn([yard.dir])
    expect(all).toHaveLength(20)
    goOn()
    await jailed.exited
    await expect.poll(async () => (await Promise.all(all.map(isAlive))).includes(true)).toBe(false)
  })

  test('it can open no more than so many files, nor leave the image of itself when it fails', async () => {
    const script = `
      my @files; while (open(my $f, '<', '/dev/null')) { push @files, $f } my $error = $! + 0;
      answer(@files + 0, $error);
      @files = (); $SIG{ABRT} = 'DEFAULT'; kill 'ABRT', $$; answer('alive')`
    const [files] = await yard.hear(script)
    expect(Number(files!.split(' ')[0])).toBeLessThan(1024)
    expect(files!.split(' ')[1]).toBe(String(EMFILE))
    expect(await readdir(join(yard.dir, 'run'))).toEqual([])
  })

  test('it can become no other user, enter or make no namespace, change no mount and trace nothing', async () => {
    const script = `
      my ($none, $dir, $buffer, $ids) = ("tmpfs\\0", "$ARGV[0]\\0", "\\0" x 64, pack('L', 0));
      tried('setuid', syscall(105, 0) == 0);
      tried('setresuid', syscall(117, 0, 0, 0) == 0);
      tried('setgid', syscall(106, 0) == 0);
      tried('setgroups', syscall(116, 1, $ids) == 0);
      tried("unshare:$_", syscall(272, $_) == 0) for (0x10000000, 0x00020000, 0x20000000, 0x40000000, 0x08000000, 0x04000000);
      tried('clone', do { my $pid = syscall(56, 0x10000000 | 17, 0, 0, 0, 0); exit if $pid == 0; $pid > 0 });
      tried('mount', syscall(165, $none, $dir, $none, 0, 0) == 0);
      tried('umount', syscall(166, $dir, 0) == 0);
      tried('pivot', syscall(155, $dir, $dir) == 0);
      tried('chroot', chroot $ARGV[0]);
      tried('fsopen', syscall(430, $none, 0) >= 0);
      tried('setns', do { open(my $f, '<', '/dev/null'); syscall(308, fileno($f), 0) == 0 });
      tried('ptrace', syscall(101, 0, 0, 0, 0) == 0);
      tried('process_vm', syscall(310, $$, 0, 0, 0, 0, 0) >= 0);
      tried('bpf', syscall(321, 0, $buffer, 64) >= 0);
      tried('perf', syscall(298, $buffer, 0, -1, -1, 0) >= 0);
      tried('userfaultfd', syscall(323, 0) >= 0);
      tried('io_uring', syscall(425, 1, $buffer) >= 0);
      tried('keyctl', syscall(250, 0, -3, 1) >= 0);
      tried('x32', syscall(0x40000000 + 39) > 0);
      tried('clone3', syscall(435, $buffer, 64) >= 0);
      tried('mknod', syscall(133, $none, 0020666, 0x101) == 0);
      tried('hostname', syscall(170, $none, 1) == 0)`
    const tried = results(await yard.hear(script))
    expect(Object.keys(tried)).toHaveLength(28)
    for (const [what, result] of Object.entries(tried))
      expect([what, result]).toEqual([what, refused(EPERM, EACCES, ENOSYS)])
  })

  test('it sees no process of the host or of another jail, and can signal none', async () => {
    const other = await yard.start(`answer('here'); ask()`)
    await other.lines.next()
    const { pid } = other.jailed.identity
    const lines = await yard.hear(
      `my $n = 0; for my $pid (2 .. 70000) { $n++ if kill(0, $pid) or $! + 0 != ${ESRCH} } answer($n); tried('kill', kill(9, ${pid}, ${process.pid}) > 0)`,
    )
    expect(lines).toEqual(['0', `kill ${ESRCH}`])
    expect(await isAlive(other.jailed.identity)).toBe(true)
  })

  test('it reaches nothing over any network, nor what listens by a name in the host', async () => {
    const server = createServer().listen(0, '127.0.0.1')
    const named = createServer().listen('\0wrenn-jail-test')
    await Promise.all([once(server, 'listening'), once(named, 'listening')])
    const { port } = server.address() as { port: number }
    const script = `
      use Socket;
      for my $at ('127.0.0.1', '169.254.169.254', '10.0.0.1', '1.1.1.1') {
        socket(my $s, PF_INET, SOCK_STREAM, 0) or do { answer($at, 'no'); next };
        tried($at, connect($s, sockaddr_in(${port}, inet_aton($at))));
      }
      socket(my $s, PF_UNIX, SOCK_STREAM, 0); tried('named', connect($s, pack_sockaddr_un("\\0wrenn-jail-test")))`
    const tried = results(await yard.hear(script))
    expect(Object.keys(tried)).toHaveLength(5)
    expect(Object.values(tried)).not.toContain('done')
    server.close()
    named.close()
  })

  test('it is in the network namespace that it is given, and may change nothing there', async () => {
    const name = `wrenn-jail-${process.pid}`
    await run('ip', ['netns', 'add', name])
    try {
      await run('ip', ['-n', name, 'tuntap', 'add', 'wrenn-tap', 'mode', 'tap'])
      const options = { network: `/run/netns/${name}` }
      // SIOCGIFFLAGS and SIOCSIFFLAGS.
      const { jailed, lines, goOn } = await yard.start(
        `use Socket; socket(my $s, PF_INET, SOCK_DGRAM, 0); my $request = pack('a16 s x22', 'wrenn-tap', 1);
        tried('get', ioctl($s, 0x8913, my $copy = $request)); tried('set', ioctl($s, 0x8914, $request)); ask()`,
        options,
      )
      expect([(await lines.next()).value, (await lines.next()).value]).toEqual(['get done', `set ${EPERM}`])
      expect(await readFile(`/proc/${jailed.identity.pid}/net/dev`, 'utf8')).toContain('wrenn-tap')
      goOn()
      await jailed.exited
    } finally {
      await run('ip', ['netns', 'delete', name])
    }
  })

  test.each(['memory', 'pids'] as const)('it uses no more %s than its control group lets it', async (what) => {
    const groups = await Groups.open(`wrenn-jail-test-${process.pid}`)
    try {
      if (!groups.has(what)) return
      const limits = { fileBytes: 1, memoryBytes: 64 * 1024 * 1024, threads: 10, vcpus: 1 }
      const group = { groups, name: what }
      const eat =
        what === 'memory'
          ? `my @all; for (1 .. 100) { push @all, 'x' x (1 << 20); answer($_) }`
          : `for (1 .. 100) { my $pid = fork; last unless defined $pid; if ($pid == 0) { sleep 1000; exit } answer($_) }`
      const { jailed, lines, goOn } = await yard.start(`ask(); ${eat}`, { limits, group })
      await jailed.grouped
      goOn()
      let eaten = 0
      for await (const line of lines) eaten = Number(line)
      expect(await jailed.exited).toMatch(what === 'memory' ? /137|SIGKILL/ : /exit code 0/)
      expect(eaten).toBeGreaterThan(5)
      expect(eaten).toBeLessThan(what === 'memory' ? 64 : 10)
    } finally {
      await groups.close()
    }
    await expect(stat(`/sys/fs/cgroup/${what}/wrenn-jail-test-${process.pid}`)).rejects.toThrow('ENOENT')
  })

  test('its end and that of its keeper are one, and our end is neither', async () => {
    const { jailed } = await yard.start(`sleep 1000`)
    process.kill(jailed.identity.pid, 'SIGKILL')
    expect(await jailed.exited).toMatch(/137|SIGKILL/)
    const failed = await yard.start(`exit 3`)
    expect(await failed.jailed.exited).toBe('ended with exit code 3')
  })

  test('what cannot be started is told, and nothing is left of it', async () => {
    // Whichever comes first: the word that the process is there, or its end.
    const said = await yard.start('', { readOnly: ['/no/such/place'] }).then(
      ({ jailed }) => jailed.exited.then(() => jailed.said),
      ({ message }: Error) =>
        () =>
          message,
    )
    await expect.poll(said).toContain('/no/such/place')
    expect(await processesWorkingIn([yard.dir])).toEqual([])
  })
})
