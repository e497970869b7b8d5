import type { TObject } from 'typebox';
import { BOOT_PROOF_SPEC } from './boot-proof-runner.ts';
import { CAPTURE_SPEC } from './capture-runner.ts';
import { CHECK_IMAGE_SPEC } from './check-image-runner.ts';
import { CONVERT_SPEC } from './convert-runner.ts';
import { DEPLOY_SPEC } from './deploy-runner.ts';
import { IMPORT_IMAGE_SPEC } from './import-image-runner.ts';
import { INVENTORY_SPEC } from './inventory-runner.ts';
import { POWER_SPEC } from './power-runner.ts';
import { VERIFY_SPEC } from './verify-runner.ts';

/** What a job of each kind is told: the schema of its spec. */
export const JOB_SPECS = {
  capture: CAPTURE_SPEC,
  deploy: DEPLOY_SPEC,
  convert: CONVERT_SPEC,
  verify: VERIFY_SPEC,
  'boot-proof': BOOT_PROOF_SPEC,
  inventory: INVENTORY_SPEC,
  power: POWER_SPEC,
  'check-image': CHECK_IMAGE_SPEC,
  'import-image': IMPORT_IMAGE_SPEC,
} as const satisfies Readonly<Record<string, TObject>>;

/** The kinds of jobs that a server does. */
export type JobKind = keyof typeof JOB_SPECS;
