/** What a shell answers when a signal ended a program and it is not known which. */
export const ENDED_BY_SIGNAL = 255
