/**
 * Calls to the kernel that no program in a jail may make, whatever it is: those that make, enter or change namespaces and
 * mounts, look into other processes, or load code into the kernel. QEMU refuses more by itself. As a program for the
 * kernel's seccomp (classic BPF, Documentation/userspace-api/seccomp_filter.rst), for x86-64.
 */
import { constants } from 'node:os'

const AUDIT_ARCH_X86_64 = 0xc000003e
/** Numbers from here on are those of the 32-bit variant. */
const X32 = 0x40000000

const refused = {
  ptrace: 101,
  syslog: 103,
  pivot_root: 155,
  chroot: 161,
  acct: 163,
  mount: 165,
  umount2: 166,
  swapon: 167,
  swapoff: 168,
  reboot: 169,
  sethostname: 170,
  setdomainname: 171,
  init_module: 175,
  delete_module: 176,
  quotactl: 179,
  kexec_load: 246,
  add_key: 248,
  request_key: 249,
  keyctl: 250,
  unshare: 272,
  perf_event_open: 298,
  open_by_handle_at: 304,
  setns: 308,
  process_vm_readv: 310,
  process_vm_writev: 311,
  kcmp: 312,
  finit_module: 313,
  kexec_file_load: 320,
  bpf: 321,
  userfaultfd: 323,
  io_uring_setup: 425,
  io_uring_enter: 426,
  io_uring_register: 427,
  open_tree: 428,
  move_mount: 429,
  fsopen: 430,
  fsconfig: 431,
  fsmount: 432,
  fspick: 433,
  pidfd_getfd: 438,
  mount_setattr: 442,
  quotactl_fd: 443,
} as const
const CLONE = 56
/** Its flags are in memory, where no filter can see them. C libraries use `clone` instead when it is not there. */
const CLONE3 = 435
/** The flags of `clone` that make namespaces. */
const NEW_NAMESPACES = 0x7e020080

// Fields of what the kernel gives the filter, and the operations.
const [NUMBER, ARCH, FIRST_ARGUMENT] = [0, 4, 16]
const [LOAD, JUMP_EQUAL, JUMP_GREATER_EQUAL, JUMP_SET, RETURN] = [0x20, 0x15, 0x35, 0x45, 0x06]
const [KILL, ALLOW] = [0x80000000, 0x7fff0000]
const fail = (errno: number) => 0x00050000 | errno
const [EPERM, ENOSYS] = [constants.errno.EPERM, constants.errno.ENOSYS]

interface Step {
  code: number
  value: number
  /** How many steps are passed over when the comparison holds, and when it does not. */
  jumps?: [number, number]
}

const answer = (value: number): Step => ({ code: RETURN, value })
/** Answers at once where the comparison holds. */
const when = (code: number, value: number, then: number): Step[] => [{ code, value, jumps: [0, 1] }, answer(then)]

/** The filter, in the form in which bubblewrap reads it. */
export function callFilter(): Buffer {
  const steps = [
    { code: LOAD, value: ARCH },
    { code: JUMP_EQUAL, value: AUDIT_ARCH_X86_64, jumps: [1, 0] as [number, number] },
    answer(KILL),
    { code: LOAD, value: NUMBER },
    ...when(JUMP_GREATER_EQUAL, X32, fail(ENOSYS)),
    ...Object.values(refused).flatMap((number) => when(JUMP_EQUAL, number, fail(EPERM))),
    ...when(JUMP_EQUAL, CLONE3, fail(ENOSYS)),
    { code: JUMP_EQUAL, value: CLONE, jumps: [1, 0] as [number, number] },
    answer(ALLOW),
    { code: LOAD, value: FIRST_ARGUMENT },
    ...when(JUMP_SET, NEW_NAMESPACES, fail(EPERM)),
    answer(ALLOW),
  ]
  const program = Buffer.alloc(steps.length * 8)
  steps.forEach(({ code, value, jumps: [holds, fails] = [0, 0] }: Step, i) => {
    program.writeUInt16LE(code, i * 8)
    program.writeUInt8(holds, i * 8 + 2)
    program.writeUInt8(fails, i * 8 + 3)
    program.writeUInt32LE(value >>> 0, i * 8 + 4)
  })
  return program
}
