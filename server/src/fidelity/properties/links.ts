import { type FidelityProperty, LINUX } from '../property.ts';

export const LINKS: readonly FidelityProperty[] = [
  {
    name: 'hard links across folders',
    on: LINUX,
    plant: 'mkdir a b; echo text > a/file; ln a/file b/other; ln a/file third',
    spoil: 'cp -p b/other new; mv new b/other',
    reported: 'hard links',
  },
  {
    name: 'files that are equal and not linked',
    on: LINUX,
    plant: 'echo text > one; cp -p one two',
    spoil: 'ln -f one two',
    reported: 'hard links',
  },
  {
    name: 'a file with 200 names',
    on: LINUX,
    plant: 'echo text > 0; for n in {1..200}; do ln 0 $n; done',
    spoil: 'cp -p 150 new; mv new 150',
    reported: 'hard links',
  },
  {
    name: 'hard links of symbolic links',
    on: LINUX,
    plant: 'ln -s target one; ln -P one two',
    spoil: 'rm two; cp -dp one two',
    reported: 'hard links',
  },
  {
    name: 'hard links of device nodes and fifos',
    on: LINUX,
    plant: 'mkfifo fifo; ln fifo fifo-two; mknod node c 1 3; ln node node-two',
    spoil: 'rm fifo-two; mkfifo fifo-two',
    reported: 'hard links',
  },
  {
    name: 'a symbolic link to a file, and one to a folder',
    on: LINUX,
    plant: 'mkdir folder; echo text > folder/file; ln -s folder/file file; ln -s folder/ there',
    spoil: 'ln -sfn folder there',
    reported: 'link target',
  },
  {
    name: 'symbolic links that lead nowhere, out of the file system, and to themselves',
    on: LINUX,
    plant: 'ln -s /nowhere/at/all nowhere; ln -s ../../../../../etc/passwd outside; ln -s self self',
    spoil: 'rm -r self; mkdir self',
    reported: 'type',
  },
  {
    name: 'long symbolic links, and those that just fit into an inode',
    on: LINUX,
    plant: `for n in 58 59 60 61 300 1000; do ln -s $(printf "l%.0s" $(seq $n)) $n; done`,
    spoil: 'ln -sfn $(printf "k%.0s" {1..60}) 60',
    reported: 'link target',
  },
  {
    name: 'a symbolic link whose target is not UTF-8',
    on: LINUX,
    plant: "ln -s $'\\xff\\n' link",
    spoil: "ln -sfn $'\\xfe\\n' link",
    reported: 'link target',
  },
];
