import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sql } from 'kysely'
import { expect, test } from 'vitest'
import { openStore } from '../open.js'
import { openSqlite } from '../sqlite.js'

test('a database that a newer version has changed is refused with words, and opens there again', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'wrenn-newer-'))
  const path = join(dir, 'wrenn.db')
  try {
    await (await openStore(path)).close()
    const db = openSqlite(path)
    await sql`insert into kysely_migration (name, timestamp) values ('999-later', '2100-01-01')`.execute(db)
    await db.destroy()
    await expect(openStore(path)).rejects.toMatchObject({
      code: 'conflict',
      message: expect.stringContaining('made by a newer version of Wrenn (it has had 999-later)') as string,
    })
    const again = openSqlite(path)
    await sql`delete from kysely_migration where name = '999-later'`.execute(again)
    await again.destroy()
    await (await openStore(path)).close()
  } finally {
    await rm(dir, { recursive: true, force: true })
  }
})
