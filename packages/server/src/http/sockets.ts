/** What each route for WebSockets does. */
import type { SocketRouteName } from '@wrenn/wire'
import { execStream, processStream } from './exec-socket.js'
import { terminal } from './pty-socket.js'
import type { SocketRoute } from './socket-call.js'

export const socketRouteOf: Record<SocketRouteName, SocketRoute> = { execStream, processStream, terminal }
