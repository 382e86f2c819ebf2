export { createServer, type CreateServer, type Server } from './server.js'
export { ensureFirstKey } from './services/keys.js'
export { openStore } from './store/open.js'
export type { Store } from './store/store.js'
