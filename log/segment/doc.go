// Package segment packs consecutive events of a run into one sealed, immutable block, and
// reads it back: bytes in, bytes out.
//
// A segment is stored as two byte strings, which drivers keep apart: the index, which is
// all but the payloads, so that headers are listed without reading a state; and the data,
// which is the payloads. What headers and payloads are, the package doesn't know. It finds
// values in headers that look like JSON's and packs them well; others it packs as they are.
//
// A [Codec] makes a [Writer] for each segment to be written, parses an [Index] and makes a
// [Reader] of an index and its data.
//
// # Sources
//
// Both strings are compressed with zstd (RFC 8878). Blocks of some 64 KiB of payloads with a
// checksum each, and an index that says where they are, are what sorted string tables have
// (LevelDB, Pebble). Numbers of the same field that lie together, as differences, are a column
// store's; a header told by what differs from the one before, token by token, is what CRAM
// does with the names of reads (James Bonfield, "CRAM 3.1", 2022), and dividing lines into
// what they have in common and what varies is known from compressors of logs.
//
// # Format
//
// Numbers are unsigned LEB128 varints (as in encoding/binary) in their shortest form, signed
// ones in zigzag form; checksums and low bits of times are little-endian. The index:
//
//	+--------+---------+---------+--------------+-----------------------+-----------+--------+
//	| "FLSI" | version | CRC-32C | table length | stored length<<1      | the table | tail   |
//	| 4      | 1 byte  | 4       | varint       | | method       varint | as stored | to end |
//	+--------+---------+---------+--------------+-----------------------+-----------+--------+
//
// The data:
//
//	+--------+---------+-------------+-----------------------------------+
//	| "FLSD" | version | the index's | the blocks as stored, in order    |
//	| 4      | 1 byte  | CRC-32C, 4  |                                   |
//	+--------+---------+-------------+-----------------------------------+
//
// The table, with what goes to the tail meanwhile:
//
//	run, life               a length and that many bytes each
//	first                   varint, at least 1
//	entries                 varint, less 1
//	recency, bytes, stored  varint each
//	                        tail: the hash before, 32 bytes, unless first is 1; the hash at the end, 32
//	kinds                   a byte for each entry
//	bases                   varint each: 0 for none, else the base's seq less the entry's, signed
//	lengths                 varint each: the payload's, 0 for none
//	order                   varint for each payload that isn't empty, in the order in which they lie in the
//	                        blocks: its entry's place from 0, less that of the one before, signed
//	blocks                  varint: their number
//	payloads                varint for each block: how many are in it, at least 1
//	stored lengths          varint for each block: length<<1 | method
//	                        tail: a CRC-32C for each block, of its bytes as stored
//	forms                   varint for each entry: 0 if its header is the first of a new form, else the
//	                        number of its form, counted from 1
//	first headers           for each form: length, number of digests, their places, and the header
//	                        without those digests; tail: 32 bytes for each digest
//	operations              for each form: a byte for each value of each header but the first, by value
//	                        and then by header
//	operands                for each such header, in the order of the entries, what its operations need
//
// A header's values are found by one rule (values.go): behind a colon, either a number or what
// is in quotes, which themselves may be escaped once. Headers that differ in values only have
// the same form. A digest is a quoted value of 64 lower-case hexadecimal digits; its place is
// the number of values since the digest before. An operation makes a value of the same value
// of the form's header before:
//
//	0         it is the same
//	1         other text: a length and that many bytes
//	2         a number that differs by a signed varint, with zeros in front up to the old width
//	3         a time (RFC 3339, UTC, nanoseconds without zeros at the end) that differs by nanoseconds,
//	          in zigzag form: a varint of all bits but the low 24, and those in the tail
//	4         a digest: 32 bytes in the tail
//	5 to 127  a number that is larger by 1 to 123
//	128 up    a known text, by its number. Known are, in this order and each once, up to 128 of: the
//	          values of the first headers of the first four forms, unless they are empty, digests,
//	          numbers or times; and then the texts of operations 1
//
// Why it is so:
//
//   - The magic bytes and the version stand apart, and outside the checksum: an unknown version is
//     reported as such and never as damage.
//   - The index's CRC-32C covers all that follows it and so, through the blocks' checksums, the
//     data; and the data repeats it. So neither a foreign index, nor foreign data, nor a block of
//     another segment goes unnoticed.
//   - method is 0 for bytes as they are and 1 for one zstd frame: a single segment that states its
//     length, without checksum; the table's with the dictionary of dictionary.go (number 1), which
//     saves each segment some 70 to 90 bytes. What doesn't get shorter is stored as it is.
//   - No length is there twice: a block's is the sum of its payloads', the data's that of its blocks.
//   - The tail has what no compressor makes smaller, and what would only spoil its statistics: of the
//     40 bytes that an event takes in the index, 35 are its digest and the low bits of its time.
//   - Payloads have an order of their own, since deltas run from newer to older, and since a payload
//     of a block's size or more has a block to itself while the others stay together.
//
// Measured, in bytes: 40 for an event in a segment of 256, with headers of 310 each; 54 in one of 20. 256
// states of an agent's transcript, 100 MB in all, are written in 20 ms, nearly all of it for the one
// that is whole; an index of 256 entries is parsed in 0.2 ms.
//
// # Limits
//
// A segment has at most [MaxEntries] entries and a table of at most [MaxTable] bytes, a chain of bases at
// most [MaxDepth] links, and a payload or block the length that [Options] allow. A table, and the
// headers together, are at most 4 MiB and 1,024 times as long as what they are made of (the table as
// stored, the index): a writer that would get beyond stores them as they are. So what ParseIndex
// allocates is bounded by that, and by 120 bytes for each entry and 3 for each of the table's.
// A Reader allocates one block at a time, once its checksum has held, and keeps 8 MiB besides.
package segment
