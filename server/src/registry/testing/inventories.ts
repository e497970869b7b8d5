import type { ComputerInfo, DiskInfo, Inventory, NicInfo } from '@diskferry/protocol/inventory';

export interface MadeUpComputer extends Partial<ComputerInfo> {
  readonly nics?: readonly (Partial<NicInfo> & { readonly mac: string })[];
  readonly disks?: readonly Partial<DiskInfo>[];
  readonly devices?: Inventory['devices'];
}

/** What a computer says of itself; whatever a test does not care for is filled in. */
export function inventoryOf({ nics = [], disks = [], devices, ...computer }: MadeUpComputer): Inventory {
  return {
    computer: { firmware: 'uefi', ...computer },
    processors: { model: 'Intel(R) Core(TM) i5-8500', sockets: 1, cores: 6, threads: 6 },
    memoryBytes: 8 * 2 ** 30,
    nics: nics.map((nic, index) => ({
      name: `eth${index}`,
      bus: 'pci',
      driver: 'e1000e',
      linkUp: true,
      addresses: [],
      ...nic,
    })),
    disks: disks.map((disk, index) => ({
      name: `sd${'abcdef'[index] ?? 'z'}`,
      size: 256 * 2 ** 30,
      sectorSize: { logical: 512, physical: 4096 },
      transport: 'sata',
      removable: false,
      readOnly: false,
      ...disk,
    })),
    ...(devices === undefined ? {} : { devices }),
  };
}

/** The n-th of a row of equal office computers. */
export function officeComputer(n: number): Inventory {
  return inventoryOf(office(n));
}

/** The same, to be changed by a test. */
export function office(n: number): MadeUpComputer {
  const digits = n.toString(16).padStart(6, '0');
  return {
    manufacturer: 'Dell Inc.',
    product: 'OptiPlex 7060',
    serial: `SVC${digits.toUpperCase()}`,
    uuid: `4c4c4544-0058-4b10-8032-b7c04f${digits}`,
    boardManufacturer: 'Dell Inc.',
    boardProduct: '0C96W1',
    boardSerial: `/SVC${digits.toUpperCase()}/CN7475${digits}/`,
    biosVendor: 'Dell Inc.',
    nics: [{ mac: `d8:9e:f3:${digits.slice(0, 2)}:${digits.slice(2, 4)}:${digits.slice(4)}` }],
    disks: [{ model: 'Samsung SSD 860', serial: `S3Z8NB0K${digits}` }],
  };
}
