/** The checks of the database, and those that need what it refers to. */
import { failure, ok, skipped, warning, type Outcome, type Referred } from '@wrenn/host/doctor'
import type { Subject } from './subject.js'

/** Whether a server uses the data directory. */
export function checkServer({ store }: Pick<Subject, 'store'>): Outcome {
  return store.state === 'in use' ? ok('one runs on this data directory') : skipped('none runs on this data directory')
}

/** Whether the database opens and is whole. */
export function checkStore({ store }: Pick<Subject, 'store'>): Outcome {
  switch (store.state) {
    case 'absent':
      return skipped('there is none yet')
    case 'in use':
      return skipped('the server that runs has it')
    case 'older':
      return warning('The database has the form of an older version.', {
        fix: 'The next start of the server brings it to the form of today.',
      })
    case 'newer':
      return failure('The database was made by a newer version of Wrenn.', {
        fix: 'Start that version, or a newer one.',
      })
    case 'damaged':
      return failure('The database is damaged, or cannot be read by this user.', {
        items: store.problems,
        fix: 'Stop the server and put wrenn.db back from a copy; without one, `sqlite3 wrenn.db .recover` saves what it can.',
      })
    case 'sound': {
      const { capsules, templates } = store.facts.counts
      const count = Object.values(capsules).reduce((sum, one) => sum + one, 0)
      return ok(`whole; ${templates} templates, ${count} capsules`)
    }
  }
}

/** Runs a check that compares with what the database refers to, where that can be known. */
export async function withReferred(
  { store }: Pick<Subject, 'store'>,
  check: (referred: Referred) => Promise<Outcome>,
): Promise<Outcome> {
  if (store.state === 'sound') return check(store.facts)
  if (store.state === 'absent') return check({ snapshotIds: [], imageIds: [], capsuleIds: [] })
  if (store.state === 'in use') return skipped('a server runs, and looks after it at each of its starts')
  return skipped('the database cannot be asked')
}
