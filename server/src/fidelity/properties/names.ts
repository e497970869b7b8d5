import { type FidelityProperty, LINUX } from '../property.ts';

export const NAMES: readonly FidelityProperty[] = [
  {
    name: 'a name of 255 bytes',
    on: LINUX,
    plant: "touch $(printf 'n%.0s' {1..255})",
    spoil: "mv nnn* $(printf 'n%.0s' {1..254})",
    reported: 'existence',
  },
  {
    name: 'a name that is not UTF-8',
    on: LINUX,
    plant: "touch $'not-\\xff\\xfe-utf8'",
    spoil: "mv $'not-\\xff\\xfe-utf8' $'not-\\xff\\xfd-utf8'",
    reported: 'existence',
  },
  {
    name: 'a name with newlines, quotes and backslashes',
    on: LINUX,
    plant: `touch $'two\\nlines \\\\ \\' " $x' $'\\n'`,
    spoil: "rm $'\\n'",
    reported: 'existence',
  },
  {
    name: 'names with spaces at their ends, and names like options',
    on: LINUX,
    plant: "touch -- ' before' 'after ' '-rf' '--help' '-'",
    spoil: "mv -- '-rf' '-fr'",
    reported: 'existence',
  },
  {
    name: 'names of dots',
    on: LINUX,
    plant: 'mkdir ...; touch .../.... .hidden',
    spoil: 'rm .../....',
    reported: 'existence',
  },
  {
    name: 'a name of every byte that names can have',
    on: LINUX,
    plant: `for n in {1..255}; do [ $n = 47 ] || touch -- "$(printf "x\\\\x$(printf %x $n)y")"; done`,
    spoil: "rm -- $'x\\x7fy'",
    reported: 'existence',
  },
  {
    name: 'names that differ in upper and lower case only',
    on: LINUX,
    plant: 'echo 1 > name; echo 2 > Name; echo 3 > NAME',
    spoil: 'mv Name keep; mv NAME Name; mv keep NAME',
    reported: 'content',
  },
  {
    name: 'names that look the same: composed and decomposed letters',
    on: LINUX,
    plant: "echo composed > $'\\xc3\\xbc'; echo decomposed > $'u\\xcc\\x88'",
    spoil: "rm $'u\\xcc\\x88'",
    reported: 'existence',
  },
  {
    name: 'a path of 100 folders',
    on: LINUX,
    plant: 'mkdir -p $(printf "deep/%.0s" {1..100}); echo bottom > $(printf "deep/%.0s" {1..100})file',
    spoil: 'echo Bottom > $(printf "deep/%.0s" {1..100})file',
    reported: 'content',
  },
  {
    name: 'a path that is longer than the kernel takes in one piece',
    on: LINUX,
    plant:
      'name=$(printf "long%.0s" {1..60}); for n in {1..20}; do mkdir $name; cd -P $name; done; echo bottom > file',
    spoil: 'name=$(printf "long%.0s" {1..60}); for n in {1..20}; do cd -P $name; done; echo Bottom > file',
    reported: 'content',
  },
  {
    name: 'a folder of some thousand files',
    on: LINUX,
    plant: "seq -f 'a file with a rather long name, number %g' 3000 | xargs -d '\\n' touch",
    spoil: "rm 'a file with a rather long name, number 2718'",
    reported: 'existence',
  },
];
