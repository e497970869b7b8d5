import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startTestApi } from '../api/testing/test-api.ts';
import { describeOnEachDatabase } from '../database/testing/each-database.ts';
import { EventLog } from '../events/event-log.ts';
import { JobStore } from '../jobs/job-store.ts';
import { Registry } from '../registry/registry.ts';
import { inventoryOf } from '../serve/testing/scripted-client.ts';
import { serverMetrics } from './server-metrics.ts';

describeOnEachDatabase('metrics', (open) => {
  test('computers, images and jobs are counted by state, also those that nothing is in', async (t) => {
    const database = await open(t);
    const metrics = serverMetrics({ database, connectedComputers: () => 3 });
    assert.match(await metrics.read(), /^diskferry_image_bytes 0$/m);
    const registry = await Registry.open(database, new EventLog(database));
    await registry.seen({ inventory: inventoryOf('SN123456', 'sda'), via: 'test' });
    const store = new JobStore(database);
    for (const name of ['a', 'b']) await store.add({ kind: 'work', spec: { name }, createdBy: 'me' });
    const lines = (await metrics.read()).split('\n');
    for (const line of [
      'diskferry_computers_connected 3',
      'diskferry_computers{state="unregistered"} 1',
      'diskferry_computers{state="deployed"} 0',
      'diskferry_images{state="ready"} 0',
      'diskferry_jobs{state="queued"} 2',
      'diskferry_jobs{state="failed"} 0',
    ]) {
      assert.ok(lines.includes(line), line);
    }
  });
});

test('requests are counted by route and status, with refused ones and those that lead nowhere', async (t) => {
  const { ask } = await startTestApi(t);
  await ask('GET', '/api/v1/jobs/0');
  await ask('GET', '/api/v1/nowhere');
  const { text } = await ask('GET', '/metrics');
  for (const labels of [
    'method="GET",route="/api/v1/jobs/:id",status="404"',
    'method="GET",route="none",status="404"',
  ]) {
    assert.ok(text.includes(`diskferry_http_request_duration_seconds_count{${labels}} 1`), text);
  }
});
