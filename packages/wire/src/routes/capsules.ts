import { z } from 'zod'
import { capsuleSchema, createCapsuleSchema, forkSchema } from '../capsules.js'
import { networkSchema } from '../network.js'
import { empty, json, optionalJson, type Route } from '../route.js'
import { capsuleParams, starting } from './shared.js'

const onCapsules = { tag: 'Capsules', auth: true } as const

export const capsuleRoutes = {
  createCapsule: {
    ...onCapsules,
    scope: 'run',
    method: 'POST',
    path: '/v1/capsules',
    summary: 'Start a capsule from a template; the answer is already running',
    body: json(createCapsuleSchema),
    replies: { 201: json(capsuleSchema) },
    errors: ['not_found', 'invalid_state', ...starting],
    idempotencyKey: true,
  },

  listCapsules: {
    ...onCapsules,
    scope: 'read',
    method: 'GET',
    path: '/v1/capsules',
    summary: 'List the capsules that are alive, newest first',
    replies: { 200: json(z.array(capsuleSchema)) },
    errors: [],
  },

  getCapsule: {
    ...onCapsules,
    scope: 'read',
    method: 'GET',
    path: '/v1/capsules/{id}',
    summary: 'Show a capsule, also after it was destroyed',
    params: capsuleParams,
    replies: { 200: json(capsuleSchema) },
    errors: ['not_found'],
  },

  deleteCapsule: {
    ...onCapsules,
    scope: 'run',
    method: 'DELETE',
    path: '/v1/capsules/{id}',
    summary: 'Destroy a capsule, in whatever state it is',
    params: capsuleParams,
    replies: { 204: empty },
    errors: ['not_found', 'invalid_state', 'host_unavailable'],
  },

  setNetwork: {
    ...onCapsules,
    scope: 'run',
    method: 'PUT',
    path: '/v1/capsules/{id}/network',
    summary: 'Change what a running or paused capsule may reach; connections that it forbids end',
    params: capsuleParams,
    body: json(networkSchema),
    replies: { 200: json(capsuleSchema) },
    errors: ['not_found', 'invalid_state', 'host_unavailable'],
  },

  pingCapsule: {
    ...onCapsules,
    scope: 'run',
    method: 'POST',
    path: '/v1/capsules/{id}/ping',
    summary: 'Reset the idle timer',
    params: capsuleParams,
    replies: { 204: empty },
    errors: ['not_found', 'invalid_state'],
  },

  pauseCapsule: {
    ...onCapsules,
    scope: 'run',
    method: 'POST',
    path: '/v1/capsules/{id}/pause',
    summary: 'Keep a running capsule on disk: it uses no processor and no memory until it is resumed',
    params: capsuleParams,
    replies: { 200: json(capsuleSchema) },
    errors: ['not_found', 'invalid_state', 'agent_error', 'host_unavailable', 'insufficient_storage'],
  },

  resumeCapsule: {
    ...onCapsules,
    scope: 'run',
    method: 'POST',
    path: '/v1/capsules/{id}/resume',
    summary: 'Let a paused capsule go on, exactly where it was',
    params: capsuleParams,
    replies: { 200: json(capsuleSchema) },
    errors: ['not_found', 'invalid_state', ...starting],
  },

  forkCapsule: {
    ...onCapsules,
    scope: 'run',
    method: 'POST',
    path: '/v1/capsules/{id}/fork',
    summary: 'Start several capsules from where a running one is; it runs on. One that fails is in error in the answer',
    params: capsuleParams,
    body: optionalJson(forkSchema),
    replies: { 201: json(z.array(capsuleSchema)) },
    errors: ['not_found', 'invalid_state', ...starting],
    idempotencyKey: true,
  },
} as const satisfies Record<string, Route>
