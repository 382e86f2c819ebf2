/** The fake vmm's public face, for tests of the whole. */
export { makeFakeImage } from './image.js'
export { FakeWorld } from './world.js'
