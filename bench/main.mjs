/** What the numbers in the README come from: the same as `wrenn bench`, with the same options. */
process.argv.splice(2, 0, 'bench')
await import('@wrenn/cli')
