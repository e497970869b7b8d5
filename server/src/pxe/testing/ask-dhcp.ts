import { createSocket } from 'node:dgram';
import { type DhcpQuestion, type DhcpReply, makeQuestion, readReply } from './dhcp-message.ts';

/** Firmware repeats its question too. */
const REPEAT_MS = 1_000;
/** After the last answer that is awaited, others may be on their way, in ms. */
const LINGER_MS = 500;
const CLIENT_PORT = 68;
const SERVER_PORT = 67;
const BOOT_SERVER_PORT = 4011;

/** Asks as firmware does, and prints the answers as JSON. Run it in the network namespace of a machine. */
const { awaited, patienceMs, ...question } = JSON.parse(process.argv[2] ?? '{}') as DhcpQuestion & {
  /** Servers whose answers end the waiting. */
  readonly awaited: readonly string[];
  /** How long to wait for them. */
  readonly patienceMs: number;
};

const id = process.pid;
const message = makeQuestion(question, id);
const replies = new Map<string, DhcpReply>();
const socket = createSocket({ type: 'udp4', reuseAddr: true });
const { bootServer } = question;
const ask = (): void =>
  bootServer === undefined
    ? socket.send(message, SERVER_PORT, '255.255.255.255')
    : socket.send(message, BOOT_SERVER_PORT, bootServer);
const finish = (): void => {
  process.stdout.write(JSON.stringify([...replies.values()]));
  process.exit();
};
socket.on('message', (bytes, { address }) => {
  const reply = readReply(bytes, address, id);
  if (reply !== undefined) replies.set(address, reply);
  if (awaited.every((server) => replies.has(server))) setTimeout(finish, LINGER_MS);
});
socket.bind(CLIENT_PORT, () => {
  socket.setBroadcast(true);
  ask();
  setInterval(ask, REPEAT_MS);
  setTimeout(finish, patienceMs);
});
