/** People's existing code: the published Python package, its newest version and its oldest, pointed at this server. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { python, pythonSdk } from '../support/python.js'
import { startVm, type VmRunning } from '../support/vm.js'

let wrenn: VmRunning
beforeAll(async () => {
  wrenn = await startVm()
})
afterAll(() => wrenn.end())

/** The example of the original's documentation. */
const example = `
from wrenn import Capsule

with Capsule(template="base-python", wait=True) as capsule:
    capsule.files.write("/root/main.py", "print('hello from ' + __file__)")
    result = capsule.commands.run("python3 /root/main.py")
    print(result.stdout.strip(), result.exit_code)
    template = capsule.create_snapshot(name="my-template", overwrite=True)
    print(template.name, template.size_bytes)

with Capsule(template="my-template", wait=True) as capsule:
    print(capsule.files.read("/root/main.py"))
    print(capsule.files.exists("/root/main.py"), capsule.files.exists("/root/nothing"), capsule.files.exists("/no/where"))
    print(sorted(entry.name for entry in capsule.files.list("/root") if not entry.name.startswith(".")))
    try:
        capsule.commands.run("exit 3")
    except Exception as error:
        print(type(error).__name__)
`

describe.each([undefined, '0.1.0'])(
  'the Python SDK %s',
  (version) => {
    test(`runs the documentation's example`, async ({ skip }) => {
      const sdk = await pythonSdk(version)
      if ('missing' in sdk) return skip(sdk.missing)
      const env = { PYTHONPATH: sdk.path, WRENN_API_KEY: wrenn.key, WRENN_BASE_URL: `${wrenn.url}/api` }
      const lines = (await python(example, env)).trim().split('\n')
      expect(lines.slice(0, 2)).toEqual(['hello from /root/main.py 0', expect.stringMatching(/^my-template \d{6,}$/)])
      expect(lines.slice(2, 5)).toEqual(["print('hello from ' + __file__)", 'True False False', "['main.py']"])
    })

    test('raises its own errors for ours', async ({ skip }) => {
      const sdk = await pythonSdk(version)
      if ('missing' in sdk) return skip(sdk.missing)
      const env = { PYTHONPATH: sdk.path, WRENN_API_KEY: wrenn.key, WRENN_BASE_URL: `${wrenn.url}/api` }
      const code = `
from wrenn import Capsule
for make in (lambda: Capsule(template="no-such-template"), lambda: Capsule(template="../x"), lambda: Capsule(template="minimal", vcpus=4096)):
    try:
        make()
    except Exception as error:
        print(type(error).__name__)
`
      expect((await python(code, env)).trim().split('\n')).toEqual([
        'WrennNotFoundError',
        'WrennValidationError',
        'WrennValidationError',
      ])
    })
  },
  300_000,
)
