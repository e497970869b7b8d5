import type { UnlistedFile } from '../catalog/locations.ts';
import type { AuditEntry } from '../access/audit-log.ts';
import type { Schedule } from '../jobs/schedules.ts';
import type { ComputerGroup } from '../registry/groups.ts';
import type { HistoryEntry } from '../registry/history.ts';
import type { RegistrationRule } from '../registry/rule-book.ts';
import type { Enrolment } from '../serve/enrolments.ts';
import type { ApiShownToken, ApiToken, ApiUser } from '../api/routes/access.ts';
import type { ApiComputer, ApiComputerDetails, ApiComputerPage } from '../api/routes/computers.ts';
import type { ApiEvent } from '../api/routes/events.ts';
import type { ApiHolder, ApiImage, ApiImagePage, ApiLocation, ApiLocationNow } from '../api/routes/images.ts';
import type { ApiJob, ApiLogLine } from '../api/routes/jobs.ts';
import type { ApiServer } from '../api/routes/operation.ts';

/** The routes that the command line uses. A test compares them with those of the server. */
export const ROUTES = {
  server: 'GET /api/v1/server',
  computers: 'GET /api/v1/computers',
  computer: 'GET /api/v1/computers/:id',
  computerHistory: 'GET /api/v1/computers/:id/history',
  registerComputer: 'POST /api/v1/computers/:id/register',
  changeComputer: 'PATCH /api/v1/computers/:id',
  changeState: 'POST /api/v1/computers/:id/state',
  mergeComputers: 'POST /api/v1/computers/:id/merge',
  splitComputers: 'POST /api/v1/computers/:id/split',
  forgetComputer: 'DELETE /api/v1/computers/:id',
  images: 'GET /api/v1/images',
  image: 'GET /api/v1/images/:id',
  changeImage: 'PATCH /api/v1/images/:id',
  renameImages: 'POST /api/v1/images/rename',
  imageHolders: 'GET /api/v1/images/:id/holders',
  forgetImage: 'POST /api/v1/images/:id/forget',
  deleteImage: 'DELETE /api/v1/images/:id',
  locations: 'GET /api/v1/locations',
  addLocation: 'POST /api/v1/locations',
  removeLocation: 'DELETE /api/v1/locations/:id',
  lookAtLocation: 'POST /api/v1/locations/:id/look',
  unlistedFiles: 'GET /api/v1/locations/:id/unlisted',
  jobs: 'GET /api/v1/jobs',
  job: 'GET /api/v1/jobs/:id',
  jobLog: 'GET /api/v1/jobs/:id/log',
  startJob: 'POST /api/v1/jobs',
  startJobs: 'POST /api/v1/jobs/for-group',
  pauseJob: 'POST /api/v1/jobs/:id/pause',
  resumeJob: 'POST /api/v1/jobs/:id/resume',
  cancelJob: 'POST /api/v1/jobs/:id/cancel',
  retryJob: 'POST /api/v1/jobs/:id/retry',
  schedules: 'GET /api/v1/schedules',
  addSchedule: 'POST /api/v1/schedules',
  changeSchedule: 'PATCH /api/v1/schedules/:id',
  removeSchedule: 'DELETE /api/v1/schedules/:id',
  groups: 'GET /api/v1/groups',
  addGroup: 'POST /api/v1/groups',
  removeGroup: 'DELETE /api/v1/groups/:id',
  addToGroup: 'POST /api/v1/groups/:id/add',
  removeFromGroup: 'POST /api/v1/groups/:id/remove',
  rules: 'GET /api/v1/rules',
  addRule: 'POST /api/v1/rules',
  changeRule: 'PATCH /api/v1/rules/:id',
  removeRule: 'DELETE /api/v1/rules/:id',
  applyRules: 'POST /api/v1/rules/apply',
  enrolments: 'GET /api/v1/enrolments',
  addEnrolment: 'POST /api/v1/enrolments',
  revokeEnrolment: 'DELETE /api/v1/enrolments/:id',
  users: 'GET /api/v1/users',
  addUser: 'POST /api/v1/users',
  changeUser: 'PATCH /api/v1/users/:id',
  removeUser: 'DELETE /api/v1/users/:id',
  tokens: 'GET /api/v1/users/:id/tokens',
  addToken: 'POST /api/v1/users/:id/tokens',
  revokeToken: 'DELETE /api/v1/tokens/:id',
  audit: 'GET /api/v1/audit',
  events: 'GET /api/v1/events',
  eventStream: 'GET /api/v1/events/stream',
} as const;
export type RouteName = keyof typeof ROUTES;

/** What each route answers, by the schemas that the server checks its answers with. */
export interface Answers extends Record<RouteName, unknown> {
  server: ApiServer;
  computers: ApiComputerPage;
  computer: ApiComputerDetails;
  computerHistory: readonly HistoryEntry[];
  registerComputer: ApiComputer;
  changeComputer: ApiComputer;
  changeState: Pick<ApiComputer, 'state'>;
  mergeComputers: ApiComputer;
  splitComputers: undefined;
  forgetComputer: undefined;
  images: ApiImagePage;
  image: ApiImage;
  changeImage: ApiImage;
  renameImages: undefined;
  imageHolders: readonly ApiHolder[];
  forgetImage: undefined;
  deleteImage: undefined;
  locations: readonly ApiLocation[];
  addLocation: ApiLocation;
  removeLocation: undefined;
  lookAtLocation: ApiLocationNow;
  unlistedFiles: readonly UnlistedFile[];
  jobs: readonly ApiJob[];
  job: ApiJob;
  jobLog: readonly ApiLogLine[];
  startJob: ApiJob;
  startJobs: readonly ApiJob[];
  pauseJob: ApiJob;
  resumeJob: ApiJob;
  cancelJob: ApiJob;
  retryJob: ApiJob;
  schedules: readonly Schedule[];
  addSchedule: Schedule;
  changeSchedule: Schedule;
  removeSchedule: undefined;
  groups: readonly ComputerGroup[];
  addGroup: ComputerGroup;
  removeGroup: undefined;
  addToGroup: undefined;
  removeFromGroup: undefined;
  rules: readonly RegistrationRule[];
  addRule: RegistrationRule;
  changeRule: RegistrationRule;
  removeRule: undefined;
  applyRules: { readonly registered: number };
  enrolments: readonly Pick<Enrolment, 'name' | 'created'>[];
  addEnrolment: { readonly name: string; readonly secret: string };
  revokeEnrolment: undefined;
  users: readonly ApiUser[];
  addUser: ApiUser;
  changeUser: ApiUser;
  removeUser: ApiUser;
  tokens: readonly ApiToken[];
  addToken: ApiShownToken;
  revokeToken: ApiToken;
  audit: readonly AuditEntry[];
  events: readonly ApiEvent[];
}
