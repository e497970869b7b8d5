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
const LOCATION = Type.Object({ id: Type.String(), name: Type.String(), folder: Type.String() });

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
          200: Type.Object({
            images: Type.Array(IMAGE),
            total: Type.Integer(),
            next: Type.Optional(Type.String()),
          }),
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
        summary: 'Change name, notes or tags',
        params: ID,
        body: Type.Object(
          {
            name: Type.Optional(Type.String({ maxLength: 200 })),
            notes: Type.Optional(Type.String({ maxLength: 10_000 })),
            tags: Type.Optional(TAGS),
          },
          CLOSED,
        ),
        response: { 200: IMAGE, '4xx': PROBLEM },
      },
    },
    async ({ params: { id }, body: { name, ...words } }) => {
      if (name !== undefined) await catalog.rename(id, { name });
      return shown(await catalog.describe(id, words));
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

  app.get(
    '/api/v1/locations/:id/unlisted',
    {
      config: { permission: 'locations.read' },
      schema: { summary: 'Files of a location that are no images of the catalog yet', params: ID },
    },
    async ({ params: { id } }) => catalog.locations.unlisted(id),
  );
}
