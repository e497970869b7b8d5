import { type Static, Type } from 'typebox';
import type { Image } from '../../catalog/image.ts';
import { PROBLEM } from '../problems.ts';
import type { Router } from '../router.ts';
import type { Services } from '../services.ts';

const TIME = Type.String({ format: 'date-time' });
const ID = Type.Object({ id: Type.String() });
const CLOSED = { additionalProperties: false };
const IMAGE_STATE = Type.Enum(['importing', 'ready', 'damaged', 'missing', 'deleting']);
const TAGS = Type.Array(Type.String({ maxLength: 64 }), { maxItems: 100 });

const IMAGE = Type.Object({
  id: Type.String(),
  name: Type.String(),
  version: Type.Integer(),
  state: IMAGE_STATE,
  locationId: Type.String(),
  file: Type.String(),
  format: Type.String(),
  virtualSize: Type.Optional(Type.Integer({ description: 'bytes' })),
  allocatedSize: Type.Optional(Type.Integer({ description: 'bytes' })),
  sha256: Type.Optional(Type.String()),
  sectorSize: Type.Optional(Type.Integer()),
  origin: Type.Object({
    kind: Type.String(),
    computer: Type.Optional(Type.String()),
    disk: Type.Optional(Type.String()),
    job: Type.Optional(Type.String()),
    path: Type.Optional(Type.String()),
  }),
  notes: Type.String(),
  tags: Type.Array(Type.String()),
  createdAt: TIME,
  readyAt: Type.Optional(TIME),
  checkedAt: Type.Optional(TIME),
  usedAt: Type.Optional(TIME),
  problem: Type.Optional(Type.String()),
});
const IMAGE_PAGE = Type.Object({
  images: Type.Array(IMAGE),
  total: Type.Integer(),
  next: Type.Optional(Type.String()),
});
const HOLDER = Type.Object({
  kind: Type.String({ description: 'such as "job"' }),
  id: Type.String(),
});
const LOCATION = Type.Object({
  id: Type.String(),
  name: Type.String(),
  folder: Type.String(),
  available: Type.Boolean({ description: 'whether it was there when this server last looked at it' }),
});
const LOCATION_NOW = Type.Interface([LOCATION], {
  freeBytes: Type.Optional(Type.Integer({ description: 'absent if it is not there' })),
});

/** As clients see them. */
export type ApiImage = Static<typeof IMAGE>;
export type ApiImagePage = Static<typeof IMAGE_PAGE>;
export type ApiHolder = Static<typeof HOLDER>;
export type ApiLocation = Static<typeof LOCATION>;
export type ApiLocationNow = Static<typeof LOCATION_NOW>;

/** The template images and the folders in which they are. */
export function addImageRoutes(app: Router, { catalog }: Services): void {
  const shown = (image: Image): Static<typeof IMAGE> =>
    JSON.parse(JSON.stringify(image)) as Static<typeof IMAGE>;

  app.get(
    '/api/v1/images',
    {
      config: { permission: 'images.read' },
      schema: {
        summary: 'Images, newest first',
        querystring: Type.Object({
          name: Type.Optional(Type.String()),
          text: Type.Optional(Type.String({ maxLength: 200, description: 'words in names, notes and tags' })),
          tag: Type.Optional(Type.String()),
          state: Type.Optional(IMAGE_STATE),
          computer: Type.Optional(Type.String({ description: 'id of the computer it was captured from' })),
          after: Type.Optional(Type.String({ description: '"next" of the page before' })),
          limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000 })),
        }),
        response: {
          200: IMAGE_PAGE,
          '4xx': PROBLEM,
        },
      },
    },
    async ({ query: { tag, state, ...wishes } }) => {
      const page = await catalog.list({
        ...wishes,
        ...(tag === undefined ? {} : { tags: [tag] }),
        ...(state === undefined ? {} : { states: [state] }),
      });
      return { ...page, images: page.images.map(shown) };
    },
  );

  app.get(
    '/api/v1/images/:id',
    {
      config: { permission: 'images.read' },
      schema: { summary: 'One image', params: ID, response: { 200: IMAGE, '4xx': PROBLEM } },
    },
    async ({ params: { id } }) => shown(await catalog.get(id)),
  );

  app.patch(
    '/api/v1/images/:id',
    {
      config: { permission: 'images.change' },
      schema: {
        summary: 'Change name, version, notes or tags',
        params: ID,
        body: Type.Object(
          {
            name: Type.Optional(Type.String({ maxLength: 200 })),
            version: Type.Optional(
              Type.Integer({ minimum: 1, description: 'of that name; its next one if absent' }),
            ),
            notes: Type.Optional(Type.String({ maxLength: 10_000 })),
            tags: Type.Optional(TAGS),
          },
          CLOSED,
        ),
        response: { 200: IMAGE, '4xx': PROBLEM },
      },
    },
    async ({ params: { id }, body: { name, version, ...words } }) => {
      if (name !== undefined || version !== undefined) {
        await catalog.rename(id, { name: name ?? (await catalog.get(id)).name, version });
      }
      return shown(await catalog.describe(id, words));
    },
  );

  app.post(
    '/api/v1/images/rename',
    {
      config: { permission: 'images.change' },
      schema: {
        summary: 'Give all versions of a name another name, which no image has',
        body: Type.Object(
          { from: Type.String({ maxLength: 200 }), to: Type.String({ maxLength: 200 }) },
          CLOSED,
        ),
        response: { 204: Type.Null(), '4xx': PROBLEM },
      },
    },
    async ({ body: { from, to } }, reply) => {
      await catalog.renameAll(from, to);
      return reply.status(204).send(null);
    },
  );

  app.get(
    '/api/v1/images/:id/holders',
    {
      config: { permission: 'images.read' },
      schema: {
        summary: 'Who keeps an image from being deleted',
        params: ID,
        response: { 200: Type.Array(HOLDER), '4xx': PROBLEM },
      },
    },
    async ({ params: { id } }) => catalog.holders((await catalog.get(id)).id),
  );

  app.post(
    '/api/v1/images/:id/forget',
    {
      config: { permission: 'images.delete' },
      schema: {
        summary: 'Take an image out of the catalog and leave its file; refused while a job needs it',
        params: ID,
        response: { 204: Type.Null(), '4xx': PROBLEM },
      },
    },
    async ({ params: { id } }, reply) => {
      await catalog.forget(id);
      return reply.status(204).send(null);
    },
  );

  app.delete(
    '/api/v1/images/:id',
    {
      config: { permission: 'images.delete' },
      schema: {
        summary: 'Delete an image with its file; refused while a job needs it',
        params: ID,
        response: { 204: Type.Null(), '4xx': PROBLEM },
      },
    },
    async ({ params: { id } }, reply) => {
      await catalog.delete(id);
      return reply.status(204).send(null);
    },
  );

  app.get(
    '/api/v1/locations',
    {
      config: { permission: 'locations.read' },
      schema: {
        summary: 'Folders in which images are',
        response: { 200: Type.Array(LOCATION), '4xx': PROBLEM },
      },
    },
    async () => catalog.locations.list(),
  );

  app.post(
    '/api/v1/locations',
    {
      config: { permission: 'locations.change' },
      schema: {
        summary: 'Use a folder of the server, or a share that is mounted there, for images',
        body: Type.Object(
          {
            name: Type.String({ maxLength: 64 }),
            folder: Type.String(),
            takeOver: Type.Optional(Type.Boolean()),
          },
          CLOSED,
        ),
        response: { 201: LOCATION, '4xx': PROBLEM },
      },
    },
    async ({ body }, reply) => reply.status(201).send(await catalog.locations.add(body)),
  );

  app.delete(
    '/api/v1/locations/:id',
    {
      config: { permission: 'locations.change' },
      schema: {
        summary: 'Use a folder no more; refused while images are in it',
        params: ID,
        response: { 204: Type.Null(), '4xx': PROBLEM },
      },
    },
    async ({ params: { id } }, reply) => {
      await catalog.locations.remove(id);
      return reply.status(204).send(null);
    },
  );

  app.post(
    '/api/v1/locations/:id/look',
    {
      config: { permission: 'images.check' },
      schema: {
        summary:
          'Look whether a location is there, and how much room it has; raises an event if that has changed',
        params: ID,
        response: { 200: LOCATION_NOW, '4xx': PROBLEM },
      },
    },
    async ({ params: { id } }) => catalog.locations.look(id),
  );

  app.get(
    '/api/v1/locations/:id/unlisted',
    {
      config: { permission: 'locations.read' },
      schema: { summary: 'Files of a location that are no images of the catalog yet', params: ID },
    },
    async ({ params: { id } }) => catalog.locations.unlisted(id),
  );
}
