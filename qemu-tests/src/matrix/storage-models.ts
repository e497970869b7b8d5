import type { HardwareModel, Socket } from './hardware-model.ts';
import type { QemuDevice } from './qemu-devices.ts';

type Way = Omit<HardwareModel, 'subject' | 'name' | 'description'>;

const MIB = 1024 * 1024;
/** The sizes of SD cards are powers of two. */
const SD_CARD_BYTES = 64 * MIB;
/** Memory modules come in multiples of 128 MiB. */
const MODULE_BYTES = 256 * MIB;
const PMEM_BYTES = 128 * MIB;
/** Room for memory that is added to that of the machine. */
const MEMORY_SLOTS = ['-m', 'slots=2,maxmem=4G'];

const scsi: Way = controller((id) => `scsi-hd,bus=${id}.0`);
const ide: Way = controller((id) => `ide-hd,bus=${id}.0`);
/** A disk on SAS is found by its own address, which QEMU gives it only on request. */
const sas: Way = controller((id) => `scsi-hd,bus=${id}.0,wwn=0x5000c50015ea71ad`);
const usb: Way = controller((id) => `usb-storage,bus=${id}.0`);
/** Both take the places of the IDE controller of the first PCs. */
const oldIde: Way = { ...ide, group: 'ports of the first IDE controller' };

/**
 * Linux 6.1 panics now and then when a card on the same interrupt line speaks up while this driver (esp_scsi) sets itself up: it
 * asks for interrupts before its own lists are there.
 */
const amd: Way = { ...scsi, company: 'drivers of esp_scsi' };

/** How each controller and each kind of disk that is none of its own is plugged in. */
const WAYS: Readonly<Record<string, Way>> = {
  'ich9-ahci': ide,
  'piix3-ide': oldIde,
  'piix4-ide': oldIde,
  am53c974: amd,
  dc390: amd,
  lsi53c810: scsi,
  lsi53c895a: scsi,
  megasas: scsi,
  'megasas-gen2': scsi,
  mptsas1068: sas,
  pvscsi: scsi,
  'virtio-scsi-pci': scsi,
  'virtio-scsi-pci-non-transitional': scsi,
  'virtio-scsi-pci-transitional': scsi,
  'virtio-scsi-device': { ...scsi, chipset: 'microvm' },
  'virtio-blk-pci': itself(),
  'virtio-blk-pci-non-transitional': itself(),
  'virtio-blk-pci-transitional': itself(),
  'virtio-blk-device': { ...itself(), chipset: 'microvm' },
  nvme: itself(({ id }) => `,serial=${id}`),
  'nvme-ns': {
    chipset: 'q35',
    plug: (name, socket) => [
      ...drive(socket),
      ...device(`nvme,id=c-${socket.id},serial=${socket.id}`),
      ...device(`${name},bus=c-${socket.id},drive=${socket.id}`),
    ],
  },
  'nvme-subsys': {
    chipset: 'q35',
    plug: (name, socket) => [
      ...drive(socket),
      ...device(`${name},id=s-${socket.id}`),
      ...device(`nvme,id=c-${socket.id},subsys=s-${socket.id},serial=${socket.id}`),
      ...device(`nvme-ns,bus=c-${socket.id},drive=${socket.id}`),
    ],
  },
  'sdhci-pci': {
    chipset: 'q35',
    group: 'the bus for SD cards, which has no name of its own',
    diskBytes: SD_CARD_BYTES,
    plug: (name, socket) => [
      ...drive(socket),
      ...device(`${name},id=c-${socket.id}`),
      ...device(`sd-card,drive=${socket.id}`),
    ],
  },
  'usb-storage': {
    chipset: 'q35',
    plug: (name, socket) => [
      ...drive(socket),
      ...device(`qemu-xhci,id=c-${socket.id}`),
      ...device(`${name},bus=c-${socket.id}.0,drive=${socket.id}`),
    ],
  },
  'usb-bot': scsiOverUsb(),
  'usb-uas': scsiOverUsb(),
  'virtio-pmem-pci': {
    chipset: 'q35',
    diskBytes: PMEM_BYTES,
    machineWords: MEMORY_SLOTS,
    plug: (name, socket) => [...memoryOf(socket), ...device(`${name},memdev=m-${socket.id},id=${socket.id}`)],
  },
  nvdimm: {
    chipset: 'q35',
    diskBytes: MODULE_BYTES,
    machineWords: ['-machine', 'nvdimm=on', ...MEMORY_SLOTS],
    extraDrivers: true,
    plug: (name, socket) => [...memoryOf(socket), ...device(`${name},memdev=m-${socket.id},id=${socket.id}`)],
  },
};

/** Controllers for USB, by the end of their names: each gets a stick. */
const USB_CONTROLLER = /(?:^|-)(?:uhci|ohci|ehci|xhci)\d?$/;

/** Undefined for what nobody has taught the matrix. */
export function storageModel({ name, category, description }: QemuDevice): HardwareModel | undefined {
  const way = WAYS[name] ?? (category === 'USB' && USB_CONTROLLER.test(name) ? usb : undefined);
  if (way === undefined) return undefined;
  return { subject: 'storage', name, ...(description === undefined ? {} : { description }), ...way };
}

/** A controller with a disk of another model. */
function controller(disk: (controllerId: string) => string): Way {
  return {
    chipset: 'q35',
    plug: (name, socket) => [
      ...drive(socket),
      ...device(`${name},id=c-${socket.id}`),
      ...device(`${disk(`c-${socket.id}`)},drive=${socket.id}`),
    ],
  };
}

/** A controller that is its disk at the same time. */
function itself(properties: (socket: Socket) => string = () => ''): Way {
  return {
    chipset: 'q35',
    plug: (name, socket) => [...drive(socket), ...device(`${name},drive=${socket.id}${properties(socket)}`)],
  };
}

function scsiOverUsb(): Way {
  return {
    chipset: 'q35',
    plug: (name, socket) => [
      ...drive(socket),
      ...device(`qemu-xhci,id=c-${socket.id}`),
      ...device(`${name},id=b-${socket.id},bus=c-${socket.id}.0`),
      ...device(`scsi-hd,bus=b-${socket.id}.0,drive=${socket.id}`),
    ],
  };
}

function drive({ id, diskPath }: Socket): string[] {
  return ['-drive', `if=none,id=${id},format=raw,file=${diskPath}`];
}

function device(words: string): string[] {
  return ['-device', words];
}

function memoryOf({ id, diskPath, diskBytes }: Socket): string[] {
  const memory = `memory-backend-file,id=m-${id},share=on,mem-path=${diskPath},size=${diskBytes}`;
  return ['-object', memory];
}
