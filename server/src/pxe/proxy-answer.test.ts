import assert from 'node:assert/strict';
import { test } from 'node:test';
import { proxyAnswer, type ProxyQuestion } from './proxy-answer.ts';
import { type DhcpQuestion, makeQuestion, readReply } from './testing/dhcp-message.ts';

const ADDRESS = '10.77.0.3';
const ID = 0x01020304;
const question: DhcpQuestion = {
  bootServer: ADDRESS,
  mac: '52:54:00:00:00:01',
  architecture: 7,
  uuidBytes: '44332211665588778899aabbccddeeff',
  vendorClass: 'PXEClient',
  isIpxe: true,
};
const asked: ProxyQuestion[] = [];
const options = {
  address: ADDRESS,
  fileFor: (what: ProxyQuestion) => {
    asked.push(what);
    return what.architecture === 7 ? 'http://10.77.0.3:7480/ipxe' : undefined;
  },
};

test('a request is answered with the file, our address and a priority for iPXE', () => {
  const answer = proxyAnswer(makeQuestion(question, ID), options);
  assert.ok(answer);
  assert.deepEqual(asked.at(-1), {
    isIpxe: true,
    architecture: 7,
    mac: question.mac,
    uuidBytes: '44:33:22:11:66:55:88:77:88:99:aa:bb:cc:dd:ee:ff',
  });
  assert.deepEqual(readReply(answer, ADDRESS, ID), {
    from: ADDRESS,
    yourAddress: '0.0.0.0',
    nextServer: ADDRESS,
    bootFile: 'http://10.77.0.3:7480/ipxe',
    vendorClass: 'PXEClient',
    ipxePriority: 1,
    hasRouter: false,
  });
  // Type ACK, this server, the class, the UUID as it was sent, "load the file", the priority, the end.
  assert.equal(
    answer.subarray(240).toString('hex'),
    '350105' +
      '36040a4d0003' +
      `3c09${Buffer.from('PXEClient').toString('hex')}` +
      '61110044332211665588778899aabbccddeeff' +
      '2b04060108ff' +
      'af03010101' +
      'ff',
  );
});

test('firmware that starts over HTTP is answered as such', () => {
  const request = makeQuestion({ ...question, vendorClass: 'HTTPClient', isIpxe: false }, ID);
  assert.equal(
    readReply(proxyAnswer(request, options) ?? Buffer.of(), ADDRESS, ID)?.vendorClass,
    'HTTPClient',
  );
});

test('nothing is said to other machines, other messages and other architectures', () => {
  const { bootServer, ...discover } = question;
  assert.equal(bootServer, ADDRESS);
  assert.equal(proxyAnswer(makeQuestion(discover, ID), options), undefined, 'a DISCOVER');
  assert.equal(proxyAnswer(makeQuestion({ ...question, architecture: 11 }, ID), options), undefined);
  const request = makeQuestion(question, ID);
  const reply = Buffer.from(request);
  reply[0] = 2;
  assert.equal(proxyAnswer(reply, options), undefined, 'an answer');
  const stranger = Buffer.from(request.toString('latin1').replace('PXEClient', 'MSFT 5.0 '), 'latin1');
  assert.equal(proxyAnswer(stranger, options), undefined, 'no PXE client');
});

test('a request that is cut anywhere is not answered, or as a whole one', () => {
  const request = makeQuestion(question, ID);
  for (let length = 0; length < request.length - 1; length++) {
    const answer = proxyAnswer(request.subarray(0, length), options);
    // What is missing may be an option that is not needed.
    if (answer !== undefined) assert.ok(length > 240 && readReply(answer, ADDRESS, ID)?.bootFile !== '');
  }
});

test('random bytes do no harm', () => {
  const request = makeQuestion(question, ID);
  for (let place = 0; place < request.length; place++) {
    for (const value of [0, 1, 0x7f, 0xff]) {
      const spoilt = Buffer.from(request);
      spoilt[place] = value;
      assert.doesNotThrow(() => proxyAnswer(spoilt, options));
    }
  }
});
