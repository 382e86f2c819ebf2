/**
 * What the row of a deleted name is called while the files of its versions linger: no legal name, so that the name is
 * free at once, and one of its own for each row.
 */
export function tombstone(templateId: string): string {
  return `~${templateId}`
}
