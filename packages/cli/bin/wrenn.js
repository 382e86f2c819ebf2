#!/usr/bin/env -S node --max-semi-space-size=2
// The space for what lives shortly is small: the server's data only passes through. scripts/start.mjs says the same.
// Stands here rather than in dist/ so that it can be linked before anything is built.
import '../dist/main.js'
